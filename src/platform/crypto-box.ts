import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'

const NONCE_BYTES = 12
const TAG_BYTES = 16

export const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Encrypts what must be stored but not be readable in the database. */
export interface CryptoBox {
  /** AES-256-GCM under the newest key, with a fresh nonce. */
  seal(text: string): Buffer
  /** Opens with whichever key fits. Throws when none does or the bytes were changed. */
  open(sealed: Uint8Array): string
  /** A keyed hash, for looking up what must not be guessable from the database. */
  fingerprint(text: string): Buffer
  /** The fingerprints under every key, newest first: what was stored before a new key came must still be known. */
  fingerprints(text: string): readonly Buffer[]
}

/** `keys` are 32 bytes in base64, newest first. */
export function cryptoBox(keys: readonly string[]): CryptoBox {
  const secrets = keys.map((key) => Buffer.from(key, 'base64'))
  const [newest] = secrets
  if (!newest) throw new Error('an encryption key is needed')
  return {
    seal(text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', newest, nonce)
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), body])
    },
    open(sealed) {
      const bytes = Buffer.from(sealed)
      for (const secret of secrets) {
        const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
        decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
        try {
          return decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
        } catch {}
      }
      throw new Error('no key opens this')
    },
    fingerprint: (text) => createHmac('sha256', newest).update(text).digest(),
    fingerprints: (text) => secrets.map((secret) => createHmac('sha256', secret).update(text).digest()),
  }
}
