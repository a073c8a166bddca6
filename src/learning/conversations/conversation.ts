import type { AgeGroup } from '../../family/age-groups.ts'
import type { Instant } from '../../platform/clock.ts'
import type { TutorChoice } from '../tutor/tutor-model.ts'

/** A message as it is stored and shown. */
export interface Message {
  readonly id: string
  readonly role: 'user' | 'assistant'
  readonly content: string
  readonly choices: readonly { readonly index: number; readonly text: string; readonly icon: string }[] | null
  readonly selectedChoiceIndex: number | null
  readonly isFreeForm: boolean
  readonly model: string | null
  readonly createdAt: Instant
}

/** A conversation between two turns. */
export interface Conversation {
  readonly id: string
  readonly topicId: string
  readonly ageGroup: AgeGroup
  readonly startedAt: Instant
  readonly lastTurnAt: Instant | null
  readonly endedAt: Instant | null
  readonly points: number
  readonly depth: number
  readonly childTurns: number
  readonly nextSeq: number
  readonly offered: readonly TutorChoice[]
  readonly told: readonly string[]
  readonly pendingMessageId: string | null
  /** While it lies in the future, a turn is being carried out. */
  readonly leaseUntil: Instant | null
}

/** Stands among the passages told once the child has answered the spark of the conversation. */
export const SPARK_ANSWERED = 'spark'

export const asStoredChoices = (choices: readonly TutorChoice[]) => choices.map(({ text, icon }, index) => ({ index, text, icon }))

/** The columns of a conversation, for `conversationOf`. */
export const CONVERSATION_COLUMNS = `c.id, c.topic_id, c.age_group, c.started_at, c.last_turn_at, c.ended_at, c.points, c.depth, c.child_turns,
      c.next_seq, c.offered, c.told, c.pending_message_id, c.lease_until`

export interface ConversationRow {
  readonly id: string
  readonly topic_id: string
  readonly age_group: AgeGroup
  readonly started_at: Date
  readonly last_turn_at: Date | null
  readonly ended_at: Date | null
  readonly points: number
  readonly depth: number
  readonly child_turns: number
  readonly next_seq: number
  readonly offered: TutorChoice[]
  readonly told: string[]
  readonly pending_message_id: string | null
  readonly lease_until: Date | null
}

export function conversationOf(row: ConversationRow): Conversation {
  return {
    id: row.id,
    topicId: row.topic_id,
    ageGroup: row.age_group,
    startedAt: row.started_at.getTime(),
    lastTurnAt: row.last_turn_at?.getTime() ?? null,
    endedAt: row.ended_at?.getTime() ?? null,
    points: row.points,
    depth: row.depth,
    childTurns: row.child_turns,
    nextSeq: row.next_seq,
    offered: row.offered,
    told: row.told,
    pendingMessageId: row.pending_message_id,
    leaseUntil: row.lease_until?.getTime() ?? null,
  }
}

/** A SQL expression: how many messages of a child, or of one of its conversations, are kept from the family. */
export const withheldMessages = (child: string, conversation?: string, only = ''): string =>
  `(SELECT count(*)::int FROM messages w WHERE w.child_id = ${child}${conversation ? ` AND w.conversation_id = ${conversation}` : ''} AND w.withheld${only})`

/** A SQL expression: how many finished turns are kept from the family; each has a withheld reply. */
export const withheldTurns = (child: string, conversation?: string): string => withheldMessages(child, conversation, ` AND w.role = 'assistant'`)

/** A SQL expression: the finished turns of a row of conversations that its family is told of. */
export const toldTurns = (row: string): string => `(${row}.child_turns - ${withheldTurns(`${row}.child_id`, `${row}.id`)})`

export const MESSAGE_COLUMNS = 'm.id, m.role, m.content, m.choices, m.selected_choice_index, m.is_free_form, m.model, m.created_at'

export interface MessageRow {
  readonly id: string
  readonly role: 'user' | 'assistant'
  readonly content: string
  readonly choices: { index: number; text: string; icon: string }[] | null
  readonly selected_choice_index: number | null
  readonly is_free_form: boolean
  readonly model: string | null
  readonly created_at: Date
}

export function messageOf(row: MessageRow): Message {
  return {
    id: row.id,
    role: row.role,
    content: row.content,
    choices: row.choices,
    selectedChoiceIndex: row.selected_choice_index,
    isFreeForm: row.is_free_form,
    model: row.model,
    createdAt: row.created_at.getTime(),
  }
}
