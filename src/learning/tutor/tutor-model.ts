import type { AgeGroup } from '../../family/age-groups.ts'
import type { MapState } from '../constellation/topic-map.ts'
import type { Passage, Spark, Topic } from '../curriculum/curriculum.ts'

/** A way on, as the child sees it, and where it leads. */
export interface TutorChoice {
  readonly text: string
  readonly icon: string
  /** Key of the passage it leads to. */
  readonly passage: string
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

/** What the tutor is handed for one turn. */
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
}

export interface TutorSignals {
  /** Whether a question in the child's own words was about the topic or one next to it. */
  readonly onTopic: boolean
  /** The passage that was told, if one was. */
  readonly passage: Passage | undefined
  /** Whether the child's words were taken as an answer to the spark. */
  readonly answersSpark?: boolean
  /** Which model spoke. */
  readonly model: string
}

export type TutorEvent = { readonly text: string } | { readonly choices: readonly TutorChoice[]; readonly signals: TutorSignals }

/** The tutor behind one port: it knows no HTTP and no store, and yields text in pieces, then the choices, once. */
export interface TutorModel {
  reply(turn: TutorTurn, signal: AbortSignal): AsyncIterable<TutorEvent>
}
