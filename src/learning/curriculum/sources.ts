import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { z } from 'zod'
import { Phrases, SparkFile, Synonyms, TopicFile, TopicMap } from '../content/curriculum.schema.ts'
import { checkShape, readSource } from '../content/source-file.ts'

/** Sources as read: from the YAML files or from the one file that the build made of them. */
export interface Sources {
  readonly map: TopicMap
  readonly phrases: Phrases
  readonly synonyms: Synonyms
  readonly sparks: SparkFile
  readonly topics: readonly TopicFile[]
}

const CONTENT = new URL('../content/', import.meta.url)
const CACHE = new URL('../../../node_modules/.cache/brainspark/', import.meta.url)

/**
 * The sources, checked; from the build's one file where there is one. Otherwise from YAML, and what was read is kept for the
 * next start until a file changes: reading takes a second, and every test file starts a server. Throws one Error that
 * lists every fault.
 */
export function readSources(): Sources {
  const built = new URL('curriculum.json', CONTENT)
  if (existsSync(built)) return JSON.parse(readFileSync(built, 'utf8')) as Sources
  const kept = keptSources()
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8')) as Sources
  const sources = parseSources()
  keep(kept, JSON.stringify(sources))
  return sources
}

/** Named by a hash of all that the sources depend on, the schema with them. */
function keptSources(): URL {
  const hash = createHash('sha256')
  for (const name of readdirSync(CONTENT, { recursive: true, encoding: 'utf8' }).sort()) {
    if (/\.(yaml|ts)$/.test(name)) hash.update(`${name}\0`).update(readFileSync(new URL(name, CONTENT)))
  }
  return new URL(`curriculum-${hash.digest('hex').slice(0, 32)}.json`, CACHE)
}

/** Written aside and renamed, since several processes may do it at once. Where nothing can be written the next start reads YAML again. */
function keep(file: URL, text: string): void {
  const aside = new URL(`${file.href}.${randomUUID()}`)
  try {
    mkdirSync(CACHE, { recursive: true })
    for (const old of readdirSync(CACHE)) rmSync(new URL(old, CACHE), { force: true })
    writeFileSync(aside, text)
    renameSync(aside, file)
  } catch {
    rmSync(aside, { force: true })
  }
}

function parseSources(): Sources {
  const faults: string[] = []
  const read = <S extends z.ZodType>(name: string, schema: S): z.infer<S> | undefined => {
    const checked = checkShape(readSource(name, readFileSync(new URL(name, CONTENT), 'utf8')), schema)
    faults.push(...checked.faults.map((fault) => `${fault.file}:${fault.line} ${fault.message}`))
    return checked.value
  }
  const map = read('map.yaml', TopicMap)
  const phrases = read('phrases.yaml', Phrases)
  const synonyms = read('synonyms.yaml', Synonyms)
  const sparks = read('sparks.yaml', SparkFile)
  const files = readdirSync(new URL('topics/', CONTENT)).filter((name) => name.endsWith('.yaml'))
  const topics = files.map((name) => read(`topics/${name}`, TopicFile)).filter((topic) => topic !== undefined)
  if (!map || !phrases || !synonyms || !sparks || faults.length > 0) throw new Error(`The content has faults:\n${faults.join('\n')}`)
  return { map, phrases, synonyms, sparks, topics }
}
