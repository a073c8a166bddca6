import { z } from 'zod'
import type { ActiveChild } from '../../family/child-access.ts'
import type { Clock } from '../../platform/clock.ts'
import { decodeCursor, encodeCursor } from '../../platform/http/cursor.ts'
import { AppError } from '../../platform/http/errors.ts'
import { newId } from '../../platform/ids.ts'
import { mapStateOf } from '../constellation/map-state.ts'
import { unlockHint } from '../constellation/topic-map.ts'
import type { Curriculum, Topic } from '../curriculum/curriculum.ts'
import { bookingsFor } from '../progress/time-budget.ts'
import { BUILTIN_MODEL, type BuiltinTutor } from '../tutor/builtin.ts'
import { asStoredChoices, type Message } from './conversation.ts'
import type { ConversationsStore } from './conversations.store.ts'
import { requireTime } from './turns.service.ts'

export interface StartedConversation {
  readonly conversationId: string
  readonly topic: Topic
  readonly opening: Message
  readonly depth: number
}

export interface ConversationsDeps {
  readonly store: ConversationsStore
  readonly clock: Clock
  readonly curriculum: Curriculum
  readonly tutor: BuiltinTutor
}

const ATTEMPTS = 8
const NEWEST = 2_147_483_647
const HistoryCursor = z.int().min(1).max(NEWEST)

export function conversationsService({ store, clock, curriculum, tutor }: ConversationsDeps) {
  async function started(child: ActiveChild, conversationId: string): Promise<StartedConversation> {
    const opening = await store.opening(child.id, conversationId)
    if (!opening) throw new AppError('NOT_FOUND')
    return { conversationId, topic: curriculum.topic(opening.topicId) as Topic, opening: opening.message, depth: opening.depth }
  }

  return {
    /**
     * Begins a conversation about a topic under `operationId`; a retry with the same id gives the one that is there.
     * Throws NOT_FOUND (no such topic), FORBIDDEN (restricted), TIME_LIMIT_REACHED, UNPROCESSABLE_ENTITY (locked, the
     * hint in the child's words).
     */
    async start(child: ActiveChild, operationId: string, topicId: string, type: string): Promise<StartedConversation> {
      const topic = curriculum.topic(topicId.toLowerCase())
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
        const { text, choices } = tutor.greet({ topic, ageGroup: child.ageGroup, childName: child.name, map, heardBefore: new Set(context.heard) })
        const opening = { id: newId(), text, choices, model: BUILTIN_MODEL }
        const conversation = { id: operationId, topicId: topic.id, type, topicDepthBefore: map.progress.get(topic.id)?.depth ?? 0, opening }
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

    /** A page of messages: the newest, or those before a cursor; oldest first. Throws NOT_FOUND, FORBIDDEN (restricted topic). */
    async history(
      child: ActiveChild,
      conversationId: string,
      limit: number,
      before: string | undefined,
    ): Promise<{ messages: readonly Message[]; cursor: string | null }> {
      const beforeSeq = before === undefined ? NEWEST : decodeCursor(HistoryCursor, before, 'before')
      const page = await store.history(child.id, conversationId, limit, beforeSeq)
      if (!page) throw new AppError('NOT_FOUND')
      if (child.restrictedTopics.has(page.topicId)) throw new AppError('FORBIDDEN', { message: 'This topic is restricted' })
      return { messages: page.messages, cursor: page.hasMore ? encodeCursor(page.messages[0]?.seq) : null }
    },
  }
}
export type ConversationsService = ReturnType<typeof conversationsService>
