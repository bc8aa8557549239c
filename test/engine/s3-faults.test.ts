/**
 * Snapshot, restore, prune and check through a proxy that does wrong: each finishes right or ends
 * with a clear error, and the repository is whole afterwards. Each fault by itself, and all of
 * them by turns of a seed; waits between tries take no time. The long form takes more seeds, and
 * Ceph where it is installed.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Ceph, cephMissing, cephRoot, startCeph } from "../helpers/s3-ceph.ts";
import { endingFaults, type FaultName, passingFaults } from "../helpers/s3-fault-proxy.ts";
import { withFaultScene } from "../helpers/s3-fault-scene.ts";
import { makeBucket, useCredentials } from "../helpers/s3-place.ts";
import { SmallS3 } from "../helpers/s3-server.ts";
import { runsLong } from "../helpers/snapshot-runs.ts";

useCredentials();
const seed = Number(process.env["VARVE_TEST_SEED"] ?? 1);
const bucket = "varve-faults";
const rounds = runsLong ? 8 : 1;
const mixes = runsLong ? 60 : 2;
/** Whoever waits for a stall has a second to wait each time. */
const slow: readonly FaultName[] = ["no answer", "reply stalls"];
const shareOf = (name: FaultName) => (slow.includes(name) ? 0.06 : 0.25);

/** `endpoint` is asked when a test runs. */
function faultTests(endpoint: () => string): void {
  for (const name of [...passingFaults, ...endingFaults]) {
    test(name, () =>
      withFaultScene(endpoint(), bucket, async (scene) => {
        const isPassing = passingFaults.includes(name);
        for (let round = 0; round < rounds; round++) {
          const plan = { seed: seed + round, names: [name], share: shareOf(name) };
          await scene.round(
            isPassing ? plan : { ...plan, share: 0.04, after: round * 3 },
            isPassing,
          );
        }
        assert.ok((scene.proxy.done.get(name) ?? 0) > 0 || !isPassing, `${name} was done`);
      }),
    );
  }

  for (let mix = 0; mix < mixes; mix++) {
    test(`all of them, seed ${seed + mix}`, () =>
      withFaultScene(endpoint(), bucket, async (scene) => {
        const names = [...passingFaults, ...passingFaults, ...endingFaults];
        for (const [at, share] of [0.03, 0.2].entries()) {
          await scene.round({ seed: seed + 7 * mix + at, names, share }, false);
        }
      }));
  }
}

describe("the small server", { concurrency: 4 }, () => {
  let server: SmallS3;
  before(async () => {
    server = await SmallS3.start();
    server.bucket(bucket);
  });
  after(() => server.stop());
  faultTests(() => server.endpoint);
});

const root = runsLong ? cephRoot() : undefined;
const whyNot = runsLong ? cephMissing : "the long form runs on Ceph as well";
const missingReason = root === undefined ? whyNot : false;
describe("Ceph", { skip: missingReason, concurrency: 4 }, () => {
  let ceph: Ceph;
  before(async () => {
    ceph = await startCeph(root ?? "");
    await makeBucket(ceph, bucket);
  });
  after(() => ceph.stop());
  faultTests(() => ceph.endpoint);
});
