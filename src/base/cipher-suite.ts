/** The ciphers that seal blobs, tables and index objects, by the number the format gives them. */
export const CipherSuite = { aes256Gcm: 1, chacha20Poly1305: 2 } as const;
export type CipherSuite = (typeof CipherSuite)[keyof typeof CipherSuite];

/** What `varve.json` calls them. */
export const cipherNames = {
  1: "aes-256-gcm",
  2: "chacha20-poly1305",
} as const satisfies Record<CipherSuite, string>;
export type CipherName = (typeof cipherNames)[CipherSuite];

/** Bytes of the tag that ends every sealed thing; the same for all ciphers of the format. */
export const tagBytes = 16;

export function isCipherSuite(value: number): value is CipherSuite {
  return value === CipherSuite.aes256Gcm || value === CipherSuite.chacha20Poly1305;
}

export function cipherByName(name: string): CipherSuite | undefined {
  if (name === cipherNames[1]) return CipherSuite.aes256Gcm;
  return name === cipherNames[2] ? CipherSuite.chacha20Poly1305 : undefined;
}
