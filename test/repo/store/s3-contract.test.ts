/** The suite of all stores, unchanged, on the small server and on Ceph. */
import { after, before, describe, test } from "node:test";
import { type Ceph, cephMissing, cephRoot, startCeph } from "../../helpers/s3-ceph.ts";
import { makeBucket, s3Store, useCredentials } from "../../helpers/s3-place.ts";
import { SmallS3 } from "../../helpers/s3-server.ts";
import { storeContract } from "../../helpers/store-contract.ts";

useCredentials();

storeContract("an S3 store on the small server", async () => {
  const server = await SmallS3.start({ pageMax: 7 });
  server.bucket("varve-test");
  const store = s3Store(`s3://varve-test/a/b?endpoint=${server.endpoint}&retry-seconds=2`);
  return { store, remove: () => server.stop() };
});

const root = cephRoot();
const missingReason = root === undefined ? cephMissing : false;
describe("Ceph", { skip: missingReason }, () => {
  let ceph: Ceph;
  let count = 0;
  before(async () => {
    ceph = await startCeph(root ?? "");
    await makeBucket(ceph, "varve-test");
  });
  after(() => ceph.stop());
  const place = (endpoint: string) =>
    s3Store(`s3://varve-test/${count++}?endpoint=${endpoint}&retry-seconds=20`);

  storeContract("an S3 store on Ceph", () => ({ store: place(ceph.endpoint) }));
  storeContract("an S3 store on Ceph over TLS", () => ({
    store: place(`${ceph.tlsEndpoint}&ca=${ceph.ca}`),
  }));
});
test("which servers the suite ran on", (t) => {
  t.diagnostic(missingReason === false ? "S3: the small server, and Ceph" : `S3: ${missingReason}`);
});
