import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'

/** The folder of the YAML files, and of what the build made of them. */
export const CONTENT = new URL('../content/', import.meta.url)
const CACHE = new URL('../../../node_modules/.cache/brainspark/', import.meta.url)
const MAKERS = [CONTENT, new URL('./', import.meta.url), new URL('../tutor/', import.meta.url)]

/** What is made of the content: the build keeps each beside it. */
type Kept = 'curriculum' | 'passages'
const builtFile = (name: Kept): URL => new URL(`${name}.kept`, CONTENT)

/**
 * What `make` makes of the content, from the build's file where there is one. Otherwise it is made, and kept for the next
 * start until the content changes or the code that makes it: making takes a second, and every test file starts a server.
 */
export function kept<T>(name: Kept, make: () => T): T {
  const built = builtFile(name)
  if (existsSync(built)) return deserialize(readFileSync(built)) as T
  const file = new URL(`${name}-${fingerprint()}`, CACHE)
  if (existsSync(file)) return deserialize(readFileSync(file)) as T
  const made = make()
  keep(name, file, serialize(made))
  return made
}

/** Writes what `make` makes beside the content, where every start finds it. For the build. */
export function build<T>(name: Kept, make: () => T): void {
  writeFileSync(builtFile(name), serialize(make()))
}

let known: string | undefined
/** A hash of all that is read to make them, and of the engine that keeps them. */
function fingerprint(): string {
  if (known) return known
  const hash = createHash('sha256').update(process.versions.v8)
  for (const folder of MAKERS) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
      if (/\.(yaml|ts|bin)$/.test(name)) hash.update(`${name}\0`).update(readFileSync(new URL(name, folder)))
    }
  }
  known = hash.digest('hex').slice(0, 32)
  return known
}

/** Written aside and renamed, since several processes may do it at once. Where nothing can be written the next start makes it again. */
function keep(name: Kept, file: URL, bytes: Buffer): void {
  const aside = new URL(`${file.href}.${randomUUID()}`)
  try {
    mkdirSync(CACHE, { recursive: true })
    for (const old of readdirSync(CACHE)) if (old.startsWith(`${name}-`)) rmSync(new URL(old, CACHE), { force: true })
    writeFileSync(aside, bytes)
    renameSync(aside, file)
  } catch {
    rmSync(aside, { force: true })
  }
}
