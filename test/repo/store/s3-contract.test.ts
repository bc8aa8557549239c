import { parseS3Url } from "../../../src/repo/store/s3/s3-location.ts";
import { S3Store } from "../../../src/repo/store/s3/s3-store.ts";
import { SmallS3 } from "../../helpers/s3-server.ts";
import { storeContract } from "../../helpers/store-contract.ts";

process.env["AWS_ACCESS_KEY_ID"] = "test";
process.env["AWS_SECRET_ACCESS_KEY"] = "testsecret";

storeContract("an S3 store on the small server", async () => {
  const server = await SmallS3.start({ pageMax: 7 });
  server.bucket("varve-test");
  const location = parseS3Url(`s3://varve-test/a/b?endpoint=${server.endpoint}&retry-seconds=2`);
  return { store: new S3Store(location), remove: () => server.stop() };
});
