/** The suite of all stores, unchanged, on OpenSSH's server. */
import { after, before, describe } from "node:test";
import { parseSftpUrl } from "../../../src/repo/store/sftp/sftp-location.ts";
import { SftpStore } from "../../../src/repo/store/sftp/sftp-store.ts";
import { Sshd } from "../../helpers/sftp-server.ts";
import { storeContract } from "../../helpers/store-contract.ts";

describe("OpenSSH", () => {
  let sshd: Sshd;
  let count = 0;
  before(async () => {
    sshd = await Sshd.start();
  });
  after(() => sshd.stop());
  storeContract("an SFTP store", () => {
    const location = parseSftpUrl(sshd.url(`new/${count++}`, "&retry-seconds=5"));
    return { store: new SftpStore(location, { create: true }) };
  });
});
