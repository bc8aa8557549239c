/** Who and where this process is; passed in, so that tests can be several hosts at once. */
export interface Host {
  readonly hostname: string;
  readonly user: string;
  readonly pid: number;
  /** Tells one boot of one machine from all others; "" where the system does not say. */
  readonly bootId: string;
  /** Whether no process of this boot has this id. */
  isProcessGone(pid: number): boolean;
}
