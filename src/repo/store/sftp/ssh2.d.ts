/** What varve uses of the package ssh2, which brings no types of its own. */
declare module "ssh2" {
  import type { EventEmitter } from "node:events";
  import type { Socket } from "node:net";

  namespace ssh2 {
    type Done<T = void> = (error: Error | null | undefined, result: T) => void;

    interface Attributes {
      readonly mode: number | undefined;
      readonly size: number | undefined;
      /** Seconds since 1970. */
      readonly mtime: number | undefined;
    }

    interface ListedName {
      readonly filename: string;
      readonly attrs: Attributes;
    }

    interface Sftp extends EventEmitter {
      /** What the server offers beside version 3 of the protocol, with its version. */
      readonly _extensions: Readonly<Record<string, string | undefined>>;
      open(path: string, flags: string, mode: number, done: Done<Buffer>): void;
      close(handle: Buffer, done: Done): void;
      read(
        handle: Buffer,
        into: Buffer,
        at: number,
        length: number,
        position: number,
        done: Done<number>,
      ): void;
      write(
        handle: Buffer,
        from: Buffer,
        at: number,
        length: number,
        position: number,
        done: Done,
      ): void;
      fstat(handle: Buffer, done: Done<Attributes>): void;
      lstat(path: string, done: Done<Attributes>): void;
      stat(path: string, done: Done<Attributes>): void;
      fsetstat(handle: Buffer, attributes: { readonly size: number }, done: Done): void;
      opendir(path: string, done: Done<Buffer>): void;
      readdir(handle: Buffer, done: Done<ListedName[]>): void;
      mkdir(path: string, attributes: { readonly mode: number }, done: Done): void;
      unlink(path: string, done: Done): void;
      rename(from: string, to: string, done: Done): void;
      ext_openssh_rename(from: string, to: string, done: Done): void;
      ext_openssh_hardlink(from: string, to: string, done: Done): void;
      ext_openssh_fsync(handle: Buffer, done: Done): void;
      ext_openssh_statvfs(
        path: string,
        done: Done<{ f_frsize: number; f_bavail: number; f_favail: number }>,
      ): void;
      end(): void;
    }

    interface ParsedKey {
      readonly type: string;
      getPublicSSH(): Buffer;
      isPrivateKey(): boolean;
    }

    type AuthMethod =
      | { readonly type: "agent"; readonly username: string; readonly agent: string }
      | { readonly type: "publickey"; readonly username: string; readonly key: ParsedKey };

    interface ConnectOptions {
      readonly sock: Socket;
      readonly username: string;
      readonly authHandler: readonly AuthMethod[];
      readonly hostVerifier: (key: Buffer) => boolean;
      readonly algorithms: { readonly serverHostKey: readonly string[] };
      readonly readyTimeout: number;
      readonly keepaliveInterval: number;
      readonly keepaliveCountMax: number;
    }

    class Client extends EventEmitter {
      connect(options: ConnectOptions): this;
      sftp(done: Done<Sftp>): void;
    }

    const utils: {
      parseKey(data: Buffer, passphrase?: string): ParsedKey | ParsedKey[] | Error;
    };
  }
  export = ssh2;
}
