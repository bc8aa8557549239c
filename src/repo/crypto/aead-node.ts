/** AEADs by node:crypto, which is always there. */
import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import { type CipherSuite, cipherNames, tagBytes } from "../../base/cipher-suite.ts";
import { type Aead, requireKey, requireNonce } from "./aead.ts";

const options = { authTagLength: tagBytes };

type Algorithm = "aes-256-gcm";

/** Of plaintext that is sealed in one call; most blobs are one piece. */
const pieceBytes = 1024 * 1024;

export function nodeAead(suite: CipherSuite, keyOfBytes: Uint8Array): Aead {
  requireKey(keyOfBytes);
  // Both are AEADs with the same calls; Node's types give each its own overload.
  const algorithm = cipherNames[suite] as Algorithm;
  const key = createSecretKey(keyOfBytes);
  return {
    sealInto: (target, plaintext, nonce, aad) => {
      requireNonce(nonce);
      const cipher = createCipheriv(algorithm, key, nonce, options);
      cipher.setAAD(aad);
      // The output is a copy: of an index object of 32 MiB it shall not be another 32 MiB.
      for (let done = 0; done < plaintext.length; done += pieceBytes) {
        target.set(cipher.update(plaintext.subarray(done, done + pieceBytes)), done);
      }
      cipher.final();
      target.set(cipher.getAuthTag(), plaintext.length);
    },
    tryOpen: (sealed, nonce, aad) => {
      requireNonce(nonce);
      const end = sealed.length - tagBytes;
      const decipher = createDecipheriv(algorithm, key, nonce, options);
      decipher.setAAD(aad);
      decipher.setAuthTag(sealed.subarray(end));
      const plaintext = decipher.update(sealed.subarray(0, end));
      try {
        decipher.final();
      } catch {
        return undefined; // The tag is wrong: nothing of the plaintext may be used.
      }
      return plaintext;
    },
  };
}
