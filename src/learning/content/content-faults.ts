import { LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { AGE_GROUPS, type AgeGroup, type PassageSource, type TopicFile, type TopicMap } from './curriculum.schema.ts'
import { SENTENCE_LIMITS, sentenceLengths, sentencesOf } from './readability.ts'

/** Something an author must mend, with the line to look at. */
export interface ContentFault {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** A parsed YAML file that can still say on which line each value stands. */
export interface SourceFile {
  readonly file: string
  readonly value: unknown
  readonly lineOf: (path: readonly PropertyKey[]) => number
  readonly faults: readonly ContentFault[]
}

/** Parses YAML and keeps positions. Syntax errors become faults; it does not throw. */
export function readSource(file: string, text: string): SourceFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = document.getIn(path.slice(0, length), true) as { range?: [number, number, number] } | undefined
      if (node?.range) return lines.linePos(node.range[0]).line
    }
    return 1
  }
  const faults = document.errors.map((error) => ({ file, line: lines.linePos(error.pos[0]).line, message: error.message }))
  return { file, value: document.errors.length > 0 ? undefined : document.toJS(), lineOf, faults }
}

/** Checks a source against its schema; one fault per issue. */
export function checkShape<S extends z.ZodType>(source: SourceFile, schema: S): { value?: z.infer<S>; faults: ContentFault[] } {
  if (source.faults.length > 0) return { faults: [...source.faults] }
  const parsed = schema.safeParse(source.value)
  if (parsed.success) return { value: parsed.data, faults: [] }
  return {
    faults: parsed.error.issues.map((issue) => ({
      file: source.file,
      line: source.lineOf(issue.path),
      message: `${issue.path.join('.')}: ${issue.message}`,
    })),
  }
}

/** Faults of one topic file that the schema cannot see: links, repetition, reach and readability. */
export function topicFaults(source: SourceFile, topic: TopicFile, map: TopicMap, slug: string): ContentFault[] {
  const faults: ContentFault[] = []
  const report = (path: readonly PropertyKey[], message: string) => faults.push({ file: source.file, line: source.lineOf(path), message })
  const mapped = map.topics.find((candidate) => candidate.slug === topic.topic)
  if (!mapped || topic.topic !== slug) report(['topic'], `topic "${topic.topic}" must be the file's name and stand in map.yaml`)
  const subtopics = new Set(mapped?.subtopics.map((subtopic) => subtopic.slug))

  for (const ageGroup of AGE_GROUPS) {
    const voice = topic.voices[ageGroup]
    const at = (...path: PropertyKey[]) => ['voices', ageGroup, ...path]
    const byId = new Map<string, PassageSource>()
    voice.passages.forEach((passage, index) => {
      if (byId.has(passage.id)) report(at('passages', index, 'id'), `id "${passage.id}" stands twice in ${ageGroup}`)
      byId.set(passage.id, passage)
    })
    voice.opening.leads_to.forEach((id, index) => {
      if (!byId.has(id)) report(at('opening', 'leads_to', index), `the opening leads to "${id}", which does not exist`)
    })
    const asks = new Map<string, string>()
    const sentences = new Map<string, string>()
    voice.passages.forEach((passage, index) => {
      const where = (field: string) => at('passages', index, field)
      if (!subtopics.has(passage.subtopic)) report(where('subtopic'), `unknown subtopic "${passage.subtopic}"`)
      const asked = asks.get(passage.ask.toLowerCase())
      if (asked) report(where('ask'), `"${passage.ask}" is asked by "${asked}" too`)
      asks.set(passage.ask.toLowerCase(), passage.id)
      if (new Set(passage.leads_to).size !== passage.leads_to.length) report(where('leads_to'), 'a choice stands twice')
      for (const target of passage.leads_to) {
        if (target === passage.id) report(where('leads_to'), 'a passage cannot lead to itself')
        const [other] = target.split('/')
        if (target.includes('/') && !map.topics.some((candidate) => candidate.slug === other))
          report(where('leads_to'), `leads to "${target}", whose topic does not exist`)
        if (!target.includes('/') && !byId.has(target)) report(where('leads_to'), `leads to "${target}", which does not exist`)
      }
      for (const sentence of sentencesOf(passage.text).map((part) => part.trim().toLowerCase())) {
        const said = sentences.get(sentence)
        if (said && said !== passage.id && sentence.length > 25) report(where('text'), `repeats a sentence of "${said}": ${sentence}`)
        sentences.set(sentence, passage.id)
      }
      for (const fault of readabilityFaults(passage.text, ageGroup)) report(where('text'), `${passage.id}: ${fault}`)
    })
    for (const id of unreachable(voice.opening.leads_to, byId)) {
      report(
        at(
          'passages',
          voice.passages.findIndex((passage) => passage.id === id),
        ),
        `"${id}" cannot be reached from the opening`,
      )
    }
    for (const field of ['first', 'again'] as const) {
      for (const fault of readabilityFaults(voice.opening[field], ageGroup)) report(at('opening', field), fault)
      if (!voice.opening[field].includes('{name}')) report(at('opening', field), 'greets without {name}')
    }
  }
  return faults
}

function readabilityFaults(text: string, ageGroup: AgeGroup): string[] {
  const limits = SENTENCE_LIMITS[ageGroup]
  const lengths = sentenceLengths(text)
  const average = lengths.reduce((sum, length) => sum + length, 0) / lengths.length
  const faults = []
  if (average > limits.average) faults.push(`${average.toFixed(1)} words a sentence on average, at most ${limits.average} for ${ageGroup}`)
  const longest = Math.max(...lengths)
  if (longest > limits.longest) faults.push(`a sentence of ${longest} words, at most ${limits.longest} for ${ageGroup}`)
  return faults
}

function unreachable(start: readonly string[], byId: ReadonlyMap<string, PassageSource>): string[] {
  const reached = new Set<string>()
  const queue = [...start]
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    const passage = byId.get(id)
    if (!passage || reached.has(id)) continue
    reached.add(id)
    queue.push(...passage.leads_to)
  }
  return [...byId.keys()].filter((id) => !reached.has(id))
}

/** Links from one topic into another whose passage does not exist, once every file has been read. */
export function crossingFaults(files: readonly { readonly source: SourceFile; readonly topic: TopicFile }[]): ContentFault[] {
  const known = new Set(
    files.flatMap(({ topic }) => AGE_GROUPS.flatMap((ageGroup) => topic.voices[ageGroup].passages.map(({ id }) => `${ageGroup}/${topic.topic}/${id}`))),
  )
  const read = new Set(files.map(({ topic }) => topic.topic))
  return files.flatMap(({ source, topic }) =>
    AGE_GROUPS.flatMap((ageGroup) =>
      topic.voices[ageGroup].passages.flatMap((passage, index) =>
        passage.leads_to
          .filter((target) => target.includes('/') && read.has(target.split('/')[0] as string) && !known.has(`${ageGroup}/${target}`))
          .map((target) => ({
            file: source.file,
            line: source.lineOf(['voices', ageGroup, 'passages', index, 'leads_to']),
            message: `leads to "${target}", which does not exist`,
          })),
      ),
    ),
  )
}
