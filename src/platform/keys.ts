import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export interface ServerKeys {
  /** RSA private key, PEM, for signing tokens. */
  readonly jwtPrivateKey: string
  /** 32-byte keys in base64, newest first. */
  readonly encryptionKeys: readonly string[]
}

/** The configured keys, or ones generated once under `dataDir/keys`. Processes that start together agree on one key. */
export function loadKeys(configured: { jwtPrivateKey?: string | undefined; encryptionKeys?: readonly string[] | undefined }, dataDir: string): ServerKeys {
  const directory = path.join(dataDir, 'keys')
  return {
    jwtPrivateKey:
      configured.jwtPrivateKey ??
      keptSecret(directory, 'jwt.pem', () =>
        generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      ),
    encryptionKeys: configured.encryptionKeys ?? [keptSecret(directory, 'encryption.key', () => randomBytes(32).toString('base64'))],
  }
}

/** Reads a secret file; makes it if it is missing. Whole or not at all, and the first of two makers wins. */
function keptSecret(directory: string, name: string, make: () => string): string {
  const file = path.join(directory, name)
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const draft = path.join(directory, `.${name}.${process.pid}`)
  writeFileSync(draft, make(), { mode: 0o600 })
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') renameSync(draft, file)
  } finally {
    rmSync(draft, { force: true })
  }
  return readFileSync(file, 'utf8').trim()
}
