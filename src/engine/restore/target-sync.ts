/**
 * Brings what was restored to the disk: while the restore goes on, so that at its end little is
 * left to wait for, and once more at the end, so that success means durable
 * (docs/decisions/0015-durable-restores.md).
 */
import type { TargetTree } from "../../sources/target/target-tree.ts";

/** Of content that was written since the last time. */
const stepBytes = 192 * 1024 * 1024;

export interface TargetSyncOptions {
  readonly tree: TargetTree;
  /** Resolves when the file system of this descriptor is on its disk. */
  readonly syncTarget: (fd: number) => Promise<void>;
  /** Delayed write errors; each is told once. */
  readonly onFault: (error: unknown) => void;
}

export class TargetSync {
  readonly #options: TargetSyncOptions;
  #running: Promise<void> | undefined;
  #startedAt = 0;

  constructor(options: TargetSyncOptions) {
    this.#options = options;
  }

  /** `written`: bytes of content so far. Does not wait, and there is one call at a time. */
  note(written: number): void {
    if (this.#running !== undefined || written - this.#startedAt < stepBytes) return;
    this.#startedAt = written;
    this.#running = this.#sync().finally(() => {
      this.#running = undefined;
    });
  }

  /** All that was written before this call is on the disk, unless a fault was told. */
  async finish(): Promise<void> {
    await this.#running;
    await this.#sync();
  }

  /** Waits for a sync that runs, if any: it uses the target. */
  async settle(): Promise<void> {
    await this.#running;
  }

  async #sync(): Promise<void> {
    const { tree, syncTarget, onFault } = this.#options;
    const fd = tree.pin(tree.root);
    try {
      await syncTarget(fd);
    } catch (error) {
      onFault(error);
    } finally {
      tree.unpin(tree.root);
    }
  }
}
