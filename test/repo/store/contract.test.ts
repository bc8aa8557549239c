import { FaultStore } from "../../../src/repo/store/fault-store.ts";
import { LocalStore } from "../../../src/repo/store/local-store.ts";
import { MemoryStore } from "../../../src/repo/store/memory-store.ts";
import { storeContract } from "../../helpers/store-contract.ts";
import { SimulatedDisk } from "../../helpers/store-simulated-disk.ts";
import { temporaryStore } from "../../helpers/store-temporary.ts";

storeContract("a local store", () => temporaryStore());
storeContract("a local store that makes its folder", async () => {
  const { folder, remove } = await temporaryStore();
  return { store: new LocalStore(`${folder}/new/repository`, { create: true }), remove };
});
storeContract("a local store on the simulated disk", () => {
  const disk = new SimulatedDisk({ seed: 7 });
  return { store: new LocalStore("/repository", { create: true, ops: disk.ops() }) };
});
storeContract("a memory store", () => ({ store: new MemoryStore() }));
storeContract("a fault store without faults", () => ({ store: new FaultStore(new MemoryStore()) }));
storeContract("a fault store around a local one", async () => {
  const { store, remove } = await temporaryStore();
  return { store: new FaultStore(store), remove };
});
