import { readdirSync, readFileSync } from 'node:fs'
import type { z } from 'zod'
import { IconFile, Phrases, SparkFile, Synonyms, TopicFile, TopicMap } from '../content/curriculum.schema.ts'
import { checkShape, readSource } from '../content/source-file.ts'
import { CONTENT, kept } from './kept.ts'

/** The content as its authors wrote it. */
export interface Sources {
  readonly map: TopicMap
  readonly phrases: Phrases
  readonly synonyms: Synonyms
  /** Names of the icons that clients draw. */
  readonly icons: readonly string[]
  readonly sparks: SparkFile
  readonly topics: readonly TopicFile[]
}

/** The sources, checked. Throws one Error that lists every fault. */
export const readSources = (): Sources => kept('curriculum', parseSources)

/** Reads the YAML files. Throws one Error that lists every fault. */
export function parseSources(): Sources {
  const faults: string[] = []
  const read = <S extends z.ZodType>(name: string, schema: S): z.infer<S> | undefined => {
    const checked = checkShape(readSource(name, readFileSync(new URL(name, CONTENT), 'utf8')), schema)
    faults.push(...checked.faults.map((fault) => `${fault.file}:${fault.line} ${fault.message}`))
    return checked.value
  }
  const map = read('map.yaml', TopicMap)
  const phrases = read('phrases.yaml', Phrases)
  const synonyms = read('synonyms.yaml', Synonyms)
  const icons = read('icons.yaml', IconFile)
  const sparks = read('sparks.yaml', SparkFile)
  const files = readdirSync(new URL('topics/', CONTENT)).filter((name) => name.endsWith('.yaml'))
  const topics = files.map((name) => read(`topics/${name}`, TopicFile)).filter((topic) => topic !== undefined)
  if (!map || !phrases || !synonyms || !icons || !sparks || faults.length > 0) throw new Error(`The content has faults:\n${faults.join('\n')}`)
  return { map, phrases, synonyms, icons: Object.keys(icons), sparks, topics }
}
