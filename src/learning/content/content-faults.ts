import { AGE_GROUPS, type AgeGroup, MAX_DEPTH, type PassageSource, type SparkFile, type TopicFile, type TopicMap } from './curriculum.schema.ts'
import { GRADE_LIMITS, gradeLevel, SENTENCE_LIMITS, sentenceLengths, sentencesOf, wordsOf } from './readability.ts'
import type { ContentFault, SourceFile } from './source-file.ts'
import type { Vocabulary } from './vocabulary.ts'

/** Passages that a topic has at least in each voice: with them 21 taps do not repeat and three choices are left. */
export const LEAST_PASSAGES = { path: 14, answer: 10 } as const
const LEAST_QUESTIONS = 4
const LEAST_KNOWN_WORDS = 0.9

/** Each text is taken apart once, however often it is checked. */
function once<T>(work: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const result = work(text)
    known.set(text, result)
    return result
  }
}
const sentences = once(sentencesOf)
const words = once(wordsOf)
const lengths = once(sentenceLengths)

type Report = (path: readonly PropertyKey[], message: string) => void

/** What the files are checked against. */
export interface ContentRules {
  readonly map: TopicMap
  /** Names of the icons that clients draw. */
  readonly icons: ReadonlySet<string>
  readonly vocabulary: Vocabulary
}

/** Faults of one topic file that the schema cannot see: links, repetition, reach, icons, words and readability. */
export function topicFaults(source: SourceFile, topic: TopicFile, rules: ContentRules, slug: string): ContentFault[] {
  const faults: ContentFault[] = []
  const report: Report = (path, message) => faults.push({ file: source.file, line: source.lineOf(path), message })
  const mapped = rules.map.topics.find((candidate) => candidate.slug === topic.topic)
  if (!mapped || topic.topic !== slug) report(['topic'], `topic "${topic.topic}" must be the file's name and stand in map.yaml`)
  const saidInTopic = wordsSaid(topic, rules.vocabulary)

  for (const ageGroup of AGE_GROUPS) {
    const voice = topic.voices[ageGroup]
    const at = (...path: PropertyKey[]) => ['voices', ageGroup, ...path]
    const byId = new Map<string, PassageSource>()
    voice.passages.forEach((passage, index) => {
      if (byId.has(passage.id)) report(at('passages', index, 'id'), `id "${passage.id}" stands twice in ${ageGroup}`)
      byId.set(passage.id, passage)
    })
    const names = namesIn(voice.passages.flatMap((passage) => [passage.text, passage.ask]))
    const firstSaid = { asks: new Map<string, string>(), sentences: new Map<string, string>() }
    voice.passages.forEach((passage, index) => {
      const reportHere: Report = (path, message) => report(at('passages', index, ...path), `${passage.id}: ${message}`)
      if (mapped && !mapped.subtopics.some((subtopic) => subtopic.slug === passage.subtopic)) reportHere(['subtopic'], `unknown subtopic "${passage.subtopic}"`)
      if (!rules.icons.has(passage.icon)) reportHere(['icon'], `icon "${passage.icon}" is not in icons.yaml`)
      if (passage.questions.length < LEAST_QUESTIONS) reportHere(['questions'], `${passage.questions.length} questions, at least ${LEAST_QUESTIONS}`)
      reportRepetition(passage, firstSaid, reportHere)
      reportLinks(passage, byId, topic.topic, rules.map, reportHere)
      reportKeywords(passage, saidInTopic, rules.vocabulary, reportHere)
      for (const fault of readabilityFaults(passage.text, ageGroup)) reportHere(['text'], fault)
      if (ageGroup === 'wonder_cubs') for (const fault of wordFaults(passage.text, passage.new_words, rules.vocabulary, names)) reportHere(['text'], fault)
      else if (passage.new_words.length > 0) reportHere(['new_words'], 'only the youngest have new words explained')
    })
    for (const fault of crossingsMissing(topic.topic, voice.passages, rules.map)) report(at('passages'), `${ageGroup}: ${fault}`)
    for (const fault of countFaults(voice.passages)) report(at('passages'), `${ageGroup}: ${fault}`)
    const level = gradeLevel(...voice.passages.map((passage) => passage.text))
    if (level > GRADE_LIMITS[ageGroup]) report(at('passages'), `${ageGroup}: Flesch-Kincaid grade ${level.toFixed(1)}, at most ${GRADE_LIMITS[ageGroup]}`)

    voice.opening.leads_to.forEach((id, index) => {
      const passage = byId.get(id)
      if (!passage) report(at('opening', 'leads_to', index), `the opening leads to "${id}", which does not exist`)
      else if (passage.depth !== 1) report(at('opening', 'leads_to', index), `the opening leads to "${id}", which is not of depth 1`)
    })
    for (const id of unreachable(voice.opening.leads_to, byId)) {
      const index = voice.passages.findIndex((passage) => passage.id === id)
      report(at('passages', index), `"${id}" cannot be reached from the opening`)
    }
    for (const field of ['first', 'again'] as const) {
      for (const fault of readabilityFaults(voice.opening[field], ageGroup)) report(at('opening', field), fault)
      if (!voice.opening[field].includes('{name}')) report(at('opening', field), 'greets without {name}')
    }
  }
  return faults
}

function reportRepetition({ id, ask, text }: PassageSource, first: Readonly<Record<'asks' | 'sentences', Map<string, string>>>, report: Report): void {
  const asked = first.asks.get(ask.toLowerCase())
  if (asked) report(['ask'], `"${ask}" is asked by "${asked}" too`)
  first.asks.set(ask.toLowerCase(), id)
  for (const sentence of sentences(text).map((part) => part.trim().toLowerCase())) {
    const said = first.sentences.get(sentence)
    if (said && said !== id) report(['text'], `repeats a sentence of "${said}": ${sentence}`)
    first.sentences.set(sentence, id)
  }
}

function reportLinks(passage: PassageSource, byId: ReadonlyMap<string, PassageSource>, slug: string, map: TopicMap, report: Report): void {
  if (new Set(passage.leads_to).size !== passage.leads_to.length) report(['leads_to'], 'a choice stands twice')
  const neighbours = new Set(neighboursOf(slug, map).map((neighbour) => neighbour.slug))
  for (const target of passage.leads_to) {
    if (target === passage.id) report(['leads_to'], 'a passage cannot lead to itself')
    const [other] = target.split('/') as [string]
    if (target.includes('/') && !neighbours.has(other)) report(['leads_to'], `leads to "${target}", whose topic is not connected`)
    if (!target.includes('/') && !byId.has(target)) report(['leads_to'], `leads to "${target}", which does not exist`)
  }
  const near = passage.leads_to.map((id) => byId.get(id)).filter((other) => other !== undefined)
  if (near.length < 2) report(['leads_to'], 'leads to fewer than two passages of the topic')
  if (passage.depth < MAX_DEPTH && !near.some((other) => other.depth > passage.depth)) report(['leads_to'], 'leads nowhere deeper')
  if (!near.some((other) => other.subtopic !== passage.subtopic)) report(['leads_to'], 'leads to no other subtopic')
  if (passage.across === undefined) return
  if (!neighbours.has(passage.across)) report(['across'], `"${passage.across}" is not connected with ${slug}`)
  if (!passage.leads_to.some((target) => target.startsWith(`${passage.across}/`))) report(['leads_to'], `leads to no passage of ${passage.across}`)
}

function neighboursOf(slug: string, map: TopicMap): { readonly slug: string; readonly strength: 'strong' | 'weak' }[] {
  return map.connections.flatMap(({ between: [a, b], strength }) => (a === slug ? [{ slug: b, strength }] : b === slug ? [{ slug: a, strength }] : []))
}

function crossingsMissing(slug: string, passages: readonly PassageSource[], map: TopicMap): string[] {
  const crossed = new Set(passages.map((passage) => passage.across))
  return neighboursOf(slug, map)
    .filter((neighbour) => neighbour.strength === 'strong' && !crossed.has(neighbour.slug))
    .map((neighbour) => `no crossing into ${neighbour.slug}`)
}

function countFaults(passages: readonly PassageSource[]): string[] {
  const faults = []
  for (const kind of ['path', 'answer'] as const) {
    const count = passages.filter((passage) => passage.kind === kind).length
    if (count < LEAST_PASSAGES[kind]) faults.push(`${count} ${kind} passages, at least ${LEAST_PASSAGES[kind]}`)
  }
  for (let depth = 1; depth <= MAX_DEPTH; depth += 1) {
    if (!passages.some((passage) => passage.kind === 'path' && passage.depth === depth)) faults.push(`no path passage of depth ${depth}`)
  }
  return faults
}

/** Stems of all words that the topic says or hears, in any voice. */
function wordsSaid(topic: TopicFile, vocabulary: Vocabulary): ReadonlySet<string> {
  const said = new Set<string>()
  for (const { passages } of Object.values(topic.voices)) {
    for (const { text, ask, about, questions } of passages) {
      for (const word of new Set([text, ask, about, ...questions].join(' ').match(/[\p{L}\p{N}'’]+/gu)))
        for (const stem of vocabulary.stemsOf(word)) said.add(stem)
    }
  }
  return said
}

function reportKeywords({ keywords }: PassageSource, said: ReadonlySet<string>, vocabulary: Vocabulary, report: Report): void {
  keywords.forEach((keyword, index) => {
    for (const word of words(keyword)) {
      if (!vocabulary.isEnglish(word) && ![...vocabulary.stemsOf(word)].some((stem) => said.has(stem)))
        report(['keywords', index], `keyword "${word}" is no English word and stands in no text or question of the topic`)
    }
  })
}

function readabilityFaults(text: string, ageGroup: AgeGroup): string[] {
  const limits = SENTENCE_LIMITS[ageGroup]
  const counts = lengths(text)
  const average = counts.reduce((sum, count) => sum + count, 0) / counts.length
  const faults = []
  if (average > limits.average) faults.push(`${average.toFixed(1)} words a sentence on average, at most ${limits.average} for ${ageGroup}`)
  const longest = Math.max(...counts)
  if (longest > limits.longest) faults.push(`a sentence of ${longest} words, at most ${limits.longest} for ${ageGroup}`)
  return faults
}

/** For the youngest: nearly all words are known, and every other one is explained on the spot. Names of people and places are no new words. */
function wordFaults(text: string, newWords: PassageSource['new_words'], vocabulary: Vocabulary, names: ReadonlySet<string>): string[] {
  const ordinary = words(text).filter((word) => !names.has(word))
  const unknown = ordinary.filter((word) => !vocabulary.knows(word))
  const explained = new Set(newWords.flatMap(({ word }) => words(word)).flatMap((word) => [...vocabulary.stemsOf(word)]))
  const isExplained = (word: string) => [...vocabulary.stemsOf(word)].some((stem) => explained.has(stem))
  const left = [...new Set(unknown.filter((word) => !isExplained(word)))]
  const faults = []
  if (left.length > 0) faults.push(`new to a child of four to six and not in new_words: ${left.join(', ')}`)
  if (unknown.length > ordinary.length * (1 - LEAST_KNOWN_WORDS)) faults.push(`${unknown.length} of ${ordinary.length} words are new, at most one in ten`)
  for (const { word, meaning } of newWords) {
    if (!text.includes(meaning)) faults.push(`the meaning of "${word}" does not stand in the text: ${meaning}`)
    if (!text.toLowerCase().includes(word.toLowerCase())) faults.push(`the new word "${word}" does not stand in the text`)
  }
  return faults
}

/** Names of people and places: words that stand capitalised within a sentence somewhere. */
function namesIn(texts: readonly string[]): ReadonlySet<string> {
  const withinSentences = texts.flatMap(sentences).flatMap((sentence) => words(sentence).slice(1))
  return new Set(withinSentences.filter((word) => /^\p{Lu}/u.test(word)))
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
            message: `${passage.id}: leads to "${target}", which does not exist`,
          })),
      ),
    ),
  )
}

/** Faults of the questions of the day: icons, readability, and for the youngest their words. */
export function sparkFaults(source: SourceFile, sparks: SparkFile, { icons, vocabulary }: Pick<ContentRules, 'icons' | 'vocabulary'>): ContentFault[] {
  const faults: ContentFault[] = []
  for (const ageGroup of AGE_GROUPS) {
    const names = namesIn(sparks[ageGroup].flatMap((spark) => [spark.question, spark.reply, ...spark.hints]))
    sparks[ageGroup].forEach((spark, index) => {
      const report: Report = (path, message) =>
        faults.push({ file: source.file, line: source.lineOf([ageGroup, index, ...path]), message: `${spark.id}: ${message}` })
      if (!icons.has(spark.icon)) report(['icon'], `icon "${spark.icon}" is not in icons.yaml`)
      const texts: [string, string][] = [
        ['question', spark.question],
        ['reply', spark.reply],
        ['hints', spark.hints.join(' ')],
      ]
      for (const [field, text] of texts) {
        for (const fault of readabilityFaults(text, ageGroup)) report([field], fault)
        if (ageGroup === 'wonder_cubs') for (const fault of wordFaults(text, [], vocabulary, names)) report([field], fault)
      }
    })
  }
  return faults
}
