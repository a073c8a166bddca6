import { z } from 'zod'

export { AGE_GROUPS, type AgeGroup } from '../../family/age-groups.ts'

export const CATEGORIES = ['science', 'nature', 'body', 'mind', 'logic', 'arts', 'technology', 'world'] as const
export const Category = z.enum(CATEGORIES)
export type Category = z.infer<typeof Category>

export const MAX_DEPTH = 10

const Slug = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/)
const Icon = z.string().regex(/^[a-z]+(_[a-z]+)*$/)
const Line = z.string().trim().min(1)

const Prerequisite = z.strictObject({ topic: Slug, depth: z.int().min(1).max(MAX_DEPTH) })
const Subtopic = z.strictObject({ id: z.uuid(), slug: Slug, name: Line, icon: Icon })

/** What map.yaml says of one topic. */
export const MapTopic = z.strictObject({
  id: z.uuid(),
  slug: Slug,
  name: Line,
  description: Line,
  category: Category,
  icon: Icon,
  color: z.string().regex(/^#[0-9A-F]{6}$/),
  position: z.strictObject({ x: z.number(), y: z.number() }),
  prerequisites: z.array(Prerequisite),
  interests: z.array(Line).min(1),
  subtopics: z.array(Subtopic).min(3),
})
export type MapTopic = z.infer<typeof MapTopic>

/** Every icon a client draws, and the emoji that may stand for it. */
export const IconFile = z.record(Icon, z.string().min(1))

export const TopicMap = z.strictObject({
  topics: z.array(MapTopic),
  connections: z.array(z.strictObject({ between: z.tuple([Slug, Slug]), strength: z.enum(['strong', 'weak']) })),
})
export type TopicMap = z.infer<typeof TopicMap>

/** A word the youngest do not know yet, and the words of the passage that say what it means. */
const NewWord = z.strictObject({
  word: Line.describe('The new word, as it stands in the text.'),
  meaning: Line.describe('The words of the text that explain it, copied exactly.'),
})

/**
 * One thing the tutor can say. A `path` passage is a step of the walk through a topic, an `answer` passage replies to a
 * question children really ask, a `crossing` shows how the topic touches a connected one. All can be reached by choice
 * and by a typed question.
 */
export const PassageSource = z
  .strictObject({
    id: Slug.describe('Unique within the topic and age group.'),
    kind: z
      .enum(['path', 'answer', 'crossing'])
      .describe('path: a step of the walk. answer: replies to a question children really ask. crossing: how this topic touches a connected one.'),
    across: Slug.optional().describe('Only for a crossing: the connected topic it shows. It is offered while the child may go there.'),
    depth: z.int().min(1).max(MAX_DEPTH).describe('How far into the topic the idea lies: 1 is the doorstep, 10 the deepest.'),
    subtopic: Slug.describe('A subtopic of the topic, from map.yaml.'),
    ask: Line.max(60).describe('The words of the choice that leads here, as a child would say them; clear without any context.'),
    icon: Icon.describe('A name from icons.yaml.'),
    about: Line.max(60).describe('Completes "Emma explored ...", without a full stop.'),
    text: Line.max(900).describe('What the tutor says: one idea, concrete, ending in wonder or a question.'),
    new_words: z.array(NewWord).max(2).default([]).describe("Youngest age group only: the words that are not in a children's word list, at most two."),
    questions: z.array(Line).default([]).describe('Other ways children put the question; the search knows them by heart.'),
    keywords: z.array(Line).min(2).describe('Words to find it by that tell what it is about.'),
    leads_to: z
      .array(z.string().regex(/^([a-z0-9-]+\/)?[a-z0-9-]+$/))
      .min(3)
      .describe('Passages the choices lead to, best first: ids of the same topic and age group, or "topic/id" for a connected topic.'),
  })
  .refine(({ kind, across }) => (kind === 'crossing') === (across !== undefined), {
    path: ['across'],
    error: 'a crossing names the topic across, and nothing else does',
  })
export type PassageSource = z.infer<typeof PassageSource>

export const SPARK_TYPES = ['what_if', 'why', 'how_would_you', 'would_you_rather', 'imagine', 'compare'] as const

/** One question of a day, in the voice of an age group. */
export const SparkSource = z.strictObject({
  id: Slug,
  type: z.enum(SPARK_TYPES),
  topic: Slug,
  icon: Icon,
  question: Line.max(160),
  hints: z.tuple([Line.max(110), Line.max(110)]),
  /** Said after the child's own answer, whatever it was. */
  reply: Line.max(420),
  /** "topic/id" of the passages the choices lead to, in the same age group. */
  leads_to: z.array(z.string().regex(/^[a-z0-9-]+\/[a-z0-9-]+$/)).length(3),
})
export type SparkSource = z.infer<typeof SparkSource>
export const SparkFile = z.strictObject({ wonder_cubs: z.array(SparkSource), curious_explorers: z.array(SparkSource), mind_masters: z.array(SparkSource) })
export type SparkFile = z.infer<typeof SparkFile>

/** How a conversation begins. `{name}` is the child's first name. */
export const OpeningSource = z.strictObject({
  first: Line.max(400).describe('The first talk about the topic. `{name}` stands for the child.'),
  again: Line.max(400).describe('Every later talk.'),
  leads_to: z.array(Slug).length(3).describe('Ids of three passages of depth 1, in different subtopics.'),
})

const Lines = z.array(z.string().min(1)).min(1)
const LinesByAge = z.strictObject({ wonder_cubs: Lines, curious_explorers: Lines, mind_masters: Lines })

/** What the tutor says besides its passages. */
export const Phrases = z.strictObject({
  spark: LinesByAge,
  read_along: LinesByAge,
  unknown: LinesByAge,
  told: LinesByAge,
  empty: LinesByAge,
  nod: LinesByAge,
  hint: LinesByAge,
  self: LinesByAge,
  secret: LinesByAge,
  distress: LinesByAge,
  unkind: LinesByAge,
  private: LinesByAge,
  rules: LinesByAge,
})
export type Phrases = z.infer<typeof Phrases>

/** Sets of words that mean the same to a child. */
export const Synonyms = z.array(z.array(z.string().regex(/^[a-z]+$/)).min(2))
export type Synonyms = z.infer<typeof Synonyms>

const Voice = z.strictObject({ opening: OpeningSource, passages: z.array(PassageSource).min(1) })

/** A topic file: the three voices of one topic. */
export const TopicFile = z.strictObject({
  topic: Slug,
  voices: z.strictObject({ wonder_cubs: Voice, curious_explorers: Voice, mind_masters: Voice }),
})
export type TopicFile = z.infer<typeof TopicFile>
