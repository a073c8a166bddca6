import { AGE_GROUPS, type AgeGroup } from '../../family/age-groups.ts'
import type { MapTopic, Phrases, SparkSource, Synonyms } from '../content/curriculum.schema.ts'
import { sentencesOf } from '../content/readability.ts'
import { readSources, type Sources } from './sources.ts'

export interface Connection {
  readonly from: Topic
  readonly to: Topic
  readonly strength: 'strong' | 'weak'
}

export interface Topic extends Omit<MapTopic, 'prerequisites'> {
  readonly prerequisites: readonly { readonly topic: Topic; readonly depth: number }[]
  /** Strong ones first. */
  readonly connections: readonly { readonly topic: Topic; readonly strength: 'strong' | 'weak' }[]
}

export interface Passage {
  /** topic/age_group/id */
  readonly key: string
  readonly topic: Topic
  readonly ageGroup: AgeGroup
  readonly kind: 'path' | 'answer' | 'crossing'
  /** The connected topic that a crossing shows. */
  readonly across: Topic | undefined
  readonly depth: number
  readonly subtopic: string
  readonly ask: string
  readonly icon: string
  readonly about: string
  /** Joined they are the text; each is streamed as one chunk. */
  readonly sentences: readonly string[]
  readonly questions: readonly string[]
  readonly keywords: readonly string[]
  /** Keys of the passages the choices lead to. */
  readonly leadsTo: readonly string[]
}

export interface Opening {
  /** Greetings with `{name}`: for the first conversation in the topic, and for a later one. */
  readonly first: string
  readonly again: string
  readonly leadsTo: readonly string[]
}

/** One question of a day, in the voice of an age group. */
export interface Spark extends Pick<SparkSource, 'type' | 'icon' | 'question' | 'hints'> {
  /** age_group/id */
  readonly key: string
  readonly topic: Topic
  /** Said after the child's own answer, whatever it was. */
  readonly reply: readonly string[]
  /** Keys of the passages the choices lead to. */
  readonly leadsTo: readonly string[]
}

/** The content, checked and linked: nothing in it refers to something that does not exist. */
export interface Curriculum {
  /** In the order of the map. */
  readonly topics: readonly Topic[]
  readonly connections: readonly Connection[]
  readonly phrases: Phrases
  /** Sets of words that mean the same to a child. */
  readonly synonyms: Synonyms
  /** Names of the icons that clients draw. */
  readonly icons: ReadonlySet<string>
  topic(id: string): Topic | undefined
  passage(key: string | undefined): Passage | undefined
  passagesOf(topic: Topic, ageGroup: AgeGroup): readonly Passage[]
  opening(topic: Topic, ageGroup: AgeGroup): Opening
  spark(key: string): Spark | undefined
  sparksOf(ageGroup: AgeGroup): readonly Spark[]
}

/** The topics in the order of the map, without those that are restricted. */
export const topicsOf = (curriculum: Curriculum, restricted: ReadonlySet<string>): Topic[] => curriculum.topics.filter((topic) => !restricted.has(topic.id))

/** Loads and links the curriculum. Throws one Error that lists every fault with file and line. */
export function loadCurriculum(): Curriculum {
  return linkCurriculum(readSources())
}

function linkCurriculum({ map, phrases, synonyms, icons, sparks: sparkFile, topics: files }: Sources): Curriculum {
  const topics = map.topics.map((topic) => ({ ...topic, prerequisites: [], connections: [] }) as Topic)
  const bySlug = new Map(topics.map((topic) => [topic.slug, topic]))
  const byId = new Map(topics.map((topic) => [topic.id, topic]))
  const requireTopic = (slug: string, where: string): Topic => {
    const topic = bySlug.get(slug)
    if (!topic) throw new Error(`The content has a fault: ${where} names the unknown topic "${slug}"`)
    return topic
  }
  const connections = map.connections.map(({ between: [from, to], strength }) => ({
    from: requireTopic(from, 'a connection'),
    to: requireTopic(to, 'a connection'),
    strength,
  }))
  topics.forEach((topic, index) => {
    const source = map.topics[index] as MapTopic
    const touching = connections.flatMap(({ from, to, strength }) =>
      from === topic ? [{ topic: to, strength }] : to === topic ? [{ topic: from, strength }] : [],
    )
    Object.assign(topic, {
      prerequisites: source.prerequisites.map(({ topic: slug, depth }) => ({ topic: requireTopic(slug, topic.slug), depth })),
      connections: touching.sort((a, b) => Number(a.strength === 'weak') - Number(b.strength === 'weak')),
    })
  })

  const passages = new Map<string, Passage>()
  const openings = new Map<string, Opening>()
  const lists = new Map<string, Passage[]>()
  for (const file of files) {
    const topic = requireTopic(file.topic, 'a topic file')
    for (const ageGroup of AGE_GROUPS) {
      const voice = file.voices[ageGroup]
      const keyOf = (id: string) => (id.includes('/') ? id.replace('/', `/${ageGroup}/`) : `${topic.slug}/${ageGroup}/${id}`)
      openings.set(`${topic.slug}/${ageGroup}`, { first: voice.opening.first, again: voice.opening.again, leadsTo: voice.opening.leads_to.map(keyOf) })
      const list = voice.passages.map(
        ({ id, text, leads_to, across, new_words: _explained, ...passage }): Passage => ({
          ...passage,
          across: across === undefined ? undefined : requireTopic(across, `the crossing ${id} of ${topic.slug}`),
          key: keyOf(id),
          topic,
          ageGroup,
          sentences: sentencesOf(text),
          leadsTo: leads_to.map(keyOf),
        }),
      )
      lists.set(`${topic.slug}/${ageGroup}`, list)
      for (const passage of list) passages.set(passage.key, passage)
    }
  }
  const sparkLists = new Map(AGE_GROUPS.map((ageGroup) => [ageGroup, sparkFile[ageGroup].map((spark) => linkSpark(spark, ageGroup, requireTopic))]))
  const sparks = new Map([...sparkLists.values()].flat().map((spark) => [spark.key, spark]))
  const lost = [...passages.values(), ...sparks.values()].flatMap(({ key: from, leadsTo }) =>
    leadsTo.filter((key) => !passages.has(key)).map((key) => `${from} leads to ${key}`),
  )
  const silent = topics.filter((topic) => !openings.has(`${topic.slug}/wonder_cubs`)).map((topic) => `${topic.slug} has no file`)
  if (lost.length + silent.length > 0) throw new Error(`The content has faults:\n${[...lost, ...silent].join('\n')}`)

  return {
    topics,
    connections,
    phrases,
    synonyms,
    icons: new Set(icons),
    topic: (id) => byId.get(id),
    passage: (key) => (key === undefined ? undefined : passages.get(key)),
    passagesOf: (topic, ageGroup) => lists.get(`${topic.slug}/${ageGroup}`) ?? [],
    opening: (topic, ageGroup) => openings.get(`${topic.slug}/${ageGroup}`) as Opening,
    spark: (key) => sparks.get(key),
    sparksOf: (ageGroup) => sparkLists.get(ageGroup) ?? [],
  }
}

function linkSpark({ id, topic, reply, leads_to, ...spark }: SparkSource, ageGroup: AgeGroup, requireTopic: (slug: string, where: string) => Topic): Spark {
  return {
    ...spark,
    key: `${ageGroup}/${id}`,
    topic: requireTopic(topic, `the spark ${id}`),
    reply: sentencesOf(reply),
    leadsTo: leads_to.map((target) => target.replace('/', `/${ageGroup}/`)),
  }
}
