import { z } from 'zod'
import { type ActiveChild, holdChild } from '../../family/child-access.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Database } from '../../platform/db/database.ts'
import { decodeCursor, encodeCursor } from '../../platform/http/cursor.ts'
import { AppError } from '../../platform/http/errors.ts'
import { newId } from '../../platform/ids.ts'
import { raiseFlag } from '../../safety/flags.ts'
import type { BrainSparkService } from '../brain-spark/brain-spark.service.ts'
import { mapStateOf } from '../constellation/map-state.ts'
import { unlockHint } from '../constellation/topic-map.ts'
import type { Curriculum, Topic } from '../curriculum/curriculum.ts'
import { bookingsFor } from '../progress/time-budget.ts'
import { BUILTIN_MODEL, type BuiltinTutor } from '../tutor/builtin.ts'
import { asStoredChoices, type Message } from './conversation.ts'
import type { ConversationType } from './conversations.schemas.ts'
import type { ConversationsStore } from './conversations.store.ts'
import { requireTime } from './turns.service.ts'

export interface StartedConversation {
  readonly conversationId: string
  readonly topic: Topic
  readonly opening: Message
  readonly depth: number
}

export interface ListedConversation {
  readonly id: string
  readonly type: ConversationType
  readonly topic: Topic
  readonly startedAt: Date
  readonly lastTurnAt: Date | null
  readonly endedAt: Date | null
  readonly depth: number
  readonly childTurns: number
}

export interface ConversationsDeps {
  readonly db: Database
  readonly store: ConversationsStore
  readonly clock: Clock
  readonly curriculum: Curriculum
  readonly tutor: BuiltinTutor
  readonly sparks: Pick<BrainSparkService, 'today'>
}

const ATTEMPTS = 8
const NEWEST = 2_147_483_647
const ListCursor = z.tuple([z.iso.datetime(), z.uuid()])
const HistoryCursor = z.int().min(1).max(NEWEST)

export function conversationsService({ db, store, clock, curriculum, tutor, sparks }: ConversationsDeps) {
  async function started(child: ActiveChild, conversationId: string): Promise<StartedConversation> {
    const opening = await store.opening(child.id, conversationId)
    if (!opening) throw new AppError('NOT_FOUND')
    return { conversationId, topic: curriculum.topic(opening.topicId) as Topic, opening: opening.message, depth: opening.depth }
  }

  const slugsOf = (topicIds: ReadonlySet<string>) => [...topicIds].flatMap((id) => curriculum.topic(id)?.slug ?? [])

  return {
    /**
     * Begins a conversation about a topic under `operationId`; a retry with the same id gives the one that is there.
     * Throws NOT_FOUND (no such topic), FORBIDDEN (restricted), TIME_LIMIT_REACHED, UNPROCESSABLE_ENTITY (locked, the
     * hint in the child's words).
     */
    async start(
      child: ActiveChild,
      operationId: string,
      subject: { readonly type: ConversationType; readonly topicId: string | undefined },
    ): Promise<StartedConversation> {
      const today = subject.type === 'brain_spark' ? await sparks.today(child) : undefined
      const topic = subject.topicId === undefined ? today?.spark.topic : curriculum.topic(subject.topicId.toLowerCase())
      if (!topic) throw new AppError('NOT_FOUND', { message: 'There is no such topic' })
      if (child.restrictedTopics.has(topic.id)) throw new AppError('FORBIDDEN', { message: 'This topic is restricted' })
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const now = clock.now()
        const context = await store.startContext(child, topic.id, operationId)
        if (!context) throw new AppError('CHILD_ACCESS_DENIED')
        if (context.started) return started(child, operationId)
        requireTime(child, context, now)
        const map = mapStateOf(child, context.progress)
        const hint = unlockHint(topic, map)
        if (hint)
          throw new AppError('UNPROCESSABLE_ENTITY', { message: 'This topic is still locked', child: `${hint} to open ${topic.name}!`, reason: 'locked' })
        const { text, choices } = tutor.greet({
          topic,
          ageGroup: child.ageGroup,
          childName: child.name,
          map,
          heardBefore: new Set(context.heard),
          spark: today?.spark,
        })
        const opening = { id: newId(), text, choices, model: BUILTIN_MODEL }
        const conversation = {
          ...{ id: operationId, topicId: topic.id, type: subject.type, sparkId: today?.id ?? null, opening },
          topicDepthBefore: map.progress.get(topic.id)?.depth ?? 0,
        }
        if (await store.start(child, conversation, context, bookingsFor(context, now, child, topic.id, 0), now)) {
          const message: Message = {
            id: opening.id,
            role: 'assistant',
            content: text,
            choices: asStoredChoices(choices),
            model: BUILTIN_MODEL,
            selectedChoiceIndex: null,
            isFreeForm: false,
            createdAt: now,
          }
          return { conversationId: operationId, topic, opening: message, depth: 0 }
        }
      }
      throw new AppError('CONFLICT', { message: 'Too many things happen at once', retryAfter: 1 })
    },

    /** A page of the child's conversations, newest first, those about restricted topics left out. */
    async list(child: ActiveChild, query: { status?: 'open' | 'ended' | undefined; limit: number; cursor?: string | undefined }) {
      const after = query.cursor === undefined ? undefined : decodeCursor(ListCursor, query.cursor, 'cursor')
      const rows = await store.list(child, {
        isOpen: query.status === undefined ? null : query.status === 'open',
        after: after ? { startedAt: new Date(after[0]), id: after[1] } : null,
        limit: query.limit + 1,
      })
      const shown = rows.slice(0, query.limit)
      const last = rows.length > query.limit ? shown.at(-1) : undefined
      const conversations = shown.map(
        (row): ListedConversation => ({
          ...{ id: row.id, type: row.conversation_type, topic: curriculum.topic(row.topic_id) as Topic, depth: row.depth, childTurns: row.child_turns },
          ...{ startedAt: row.started_at, lastTurnAt: row.last_turn_at, endedAt: row.ended_at },
        }),
      )
      return { conversations, cursor: last ? encodeCursor([last.started_at.toISOString(), last.id]) : null }
    },

    /** Flags a reply that the child points at, for its parent to look at; once. Throws NOT_FOUND, FORBIDDEN (restricted topic). */
    async report(child: ActiveChild, conversationId: string, messageId: string): Promise<void> {
      await db.transaction(async (tx) => {
        await holdChild(tx, child.id)
        const where = { id: messageId, conversationId, childId: child.id, role: 'assistant' }
        const message = await tx.message.findFirst({ where, select: { withheld: true, conversation: { select: { topicId: true } } } })
        if (!message) throw new AppError('NOT_FOUND')
        if (child.restrictedTopics.has(message.conversation.topicId)) throw new AppError('FORBIDDEN', { message: 'This topic is restricted' })
        const [audience, action] = message.withheld ? (['safeguarding', 'withheld'] as const) : (['family', 'shown_to_parent'] as const)
        const flag = { childId: child.id, conversationId, messageId, category: 'reported', severity: 'low', action, audience }
        await raiseFlag(tx, flag, new Date(clock.now()))
      })
    },

    /** A page of messages: the newest, or those before a cursor; oldest first. Throws NOT_FOUND, FORBIDDEN (restricted topic). */
    async history(
      child: ActiveChild,
      conversationId: string,
      limit: number,
      before: string | undefined,
    ): Promise<{ messages: readonly Message[]; cursor: string | null }> {
      const beforeSeq = before === undefined ? NEWEST : decodeCursor(HistoryCursor, before, 'before')
      const page = await store.history(child.id, conversationId, limit, beforeSeq, slugsOf(child.restrictedTopics))
      if (!page) throw new AppError('NOT_FOUND')
      if (child.restrictedTopics.has(page.topicId)) throw new AppError('FORBIDDEN', { message: 'This topic is restricted' })
      return { messages: page.messages, cursor: page.hasMore ? encodeCursor(page.messages[0]?.seq) : null }
    },
  }
}
export type ConversationsService = ReturnType<typeof conversationsService>
