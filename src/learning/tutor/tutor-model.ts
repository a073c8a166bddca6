import type { AgeGroup } from '../../family/age-groups.ts'
import type { LateFinding } from '../../safety/moderation/screening.ts'
import type { MapState } from '../constellation/topic-map.ts'
import type { Passage, Spark, Topic } from '../curriculum/curriculum.ts'
import type { Skill } from '../progress/growth.ts'

/** A way on, as the child sees it, and where it leads. */
export interface TutorChoice {
  readonly text: string
  readonly icon: string
  /** Key of the passage it leads to. A choice of a language model has one only where a passage surely answers it. */
  readonly passage?: string | undefined
}

export interface Greeting {
  readonly topic: Topic
  readonly ageGroup: AgeGroup
  readonly childName: string
  readonly map: MapState
  /** Passages told in earlier conversations about the topic; empty the first time. */
  readonly heardBefore: ReadonlySet<string>
  /** The question of the day, when the conversation is about it. */
  readonly spark?: Spark | undefined
}

/** Something said earlier in a conversation. */
export interface Utterance {
  readonly who: 'child' | 'tutor'
  readonly text: string
}

/** What the tutor is handed for one turn. What is optional, but for the spark, is read by language models alone. */
export interface TutorTurn {
  readonly topic: Topic
  readonly ageGroup: AgeGroup
  readonly map: MapState
  /** Keys of the passages told in this conversation, in order. */
  readonly told: readonly string[]
  /** The choices of the last reply. */
  readonly offered: readonly TutorChoice[]
  readonly said: { readonly choice: TutorChoice } | { readonly question: string }
  /** Counts the replies of the conversation; varies the phrases. */
  readonly turnNumber: number
  /** The question of the day, while the child has not answered it in its own words. */
  readonly spark?: Spark | undefined
  /** The end of the conversation before the child's words of this turn, oldest first. */
  readonly history?: readonly Utterance[] | undefined
  /** Of the child, as its parent wrote them. */
  readonly interests?: readonly string[] | undefined
  /** Of the conversation, 0..10. */
  readonly depth?: number | undefined
  /** As the parent wrote it, to take the full name out of what the child and the tutor said. It is told to nobody. */
  readonly childName?: string | undefined
  /** A line that the child could call, in words to be said to it; empty where none is known. */
  readonly crisisContact?: string | undefined
  /** What language models have used for the child on its local day so far. */
  readonly tokensUsedToday?: number | undefined
}

export interface TokenUsage {
  readonly tokensIn: number
  readonly tokensOut: number
}

/** Who speaks, and what has come of it so far. */
export interface Speaker {
  /** Which model. */
  readonly model: string
  /** The words a language model was given, where it spoke: the name of a file in content/prompts. */
  readonly promptVersion?: string
  /** From the turn until now, in the end until the end of the reply; where a language model spoke. */
  readonly latencyMs?: number
  /** What a language model has cost in this turn, also where it failed and another one spoke. */
  readonly usage?: TokenUsage
}

export interface TutorSignals extends Speaker {
  /** Whether a question in the child's own words was about the topic or one next to it. */
  readonly onTopic: boolean
  /** The passage that was told, if one was. */
  readonly passage: Passage | undefined
  /** Whether the child's words were taken as an answer to the spark. */
  readonly answersSpark?: boolean
  /** A language model's opinion: whether the child's words take the talk further. */
  readonly deepens?: boolean
  /** A language model's opinion: the ways of thinking that the child's words show. Growth does not count it. */
  readonly evidence?: readonly Skill[]
  /** For a grown-up to look at. */
  readonly findings?: readonly LateFinding[]
}

export interface Sentence {
  readonly text: string
  readonly by: Speaker
  /** Whether people have read it before any child does: the builtin tutor's own words. All else is judged before it is said. */
  readonly isReviewed?: boolean
  /** Whether it answers what the family must not know of. */
  readonly isWithheld?: boolean
}

export interface ReplyEnd {
  readonly choices: readonly TutorChoice[]
  readonly signals: TutorSignals
}

export type TutorEvent = Sentence | ReplyEnd

/** The tutor behind one port: it knows no HTTP and no store, and yields text a sentence at a time, then the choices, once. */
export interface TutorModel {
  /** Whether it wants to be told of what was said before, of the child's interests and of what was used. */
  readonly readsAlong?: boolean
  /** Whether it may find, before it says a word, that the family must not know of what the child said. */
  mayWithhold?(question: string): boolean
  reply(turn: TutorTurn, signal: AbortSignal): AsyncIterable<TutorEvent>
}
