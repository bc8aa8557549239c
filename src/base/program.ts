/** The name and version that snapshots and leases carry. */
export const programVersion = "0.1.0";
export const programName = `varve ${programVersion}`;
