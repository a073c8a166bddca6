import { z } from 'zod'
import type { ActiveChild } from '../../family/child-access.ts'
import type { Clock } from '../../platform/clock.ts'
import { decodeCursor, encodeCursor } from '../../platform/http/cursor.ts'
import { dayNumber } from '../../platform/local-date.ts'
import type { Curriculum, Topic } from '../curriculum/curriculum.ts'
import { type Growth, growthOf, type Share, SKILLS, type Skill, shareOf, signsOf } from '../progress/growth.ts'
import { type PeriodName, periodOf } from './dashboard.service.ts'
import type { EvidenceRow, GrowthStore } from './growth.store.ts'

const Cursor = z.tuple([z.iso.datetime(), z.uuid(), z.enum(SKILLS)])

export interface GrowthQuery {
  readonly period: PeriodName
  readonly skill?: Skill | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

/** What a turn of the child says about one way of thinking. */
export interface ExplainedEvidence extends Share {
  readonly messageId: string
  readonly conversationId: string
  readonly topic: Topic
  readonly skill: Skill
  readonly at: Date
  readonly content: string
  readonly isOwnWords: boolean
  /** In a parent's words, at least one. */
  readonly signs: readonly string[]
  readonly weight: number
  readonly isInPeriod: boolean
  readonly dismissedAt: Date | null
}

export interface ExplainedGrowth {
  readonly growth: Readonly<Record<Skill, Growth>>
  readonly evidence: readonly ExplainedEvidence[]
  readonly cursor: string | null
}

export function growthService(store: GrowthStore, clock: Clock, curriculum: Curriculum) {
  return {
    /** How each way of thinking grew in a period that ends today, and a page of the turns that make the scores, newest first. One round trip. */
    async explain(child: ActiveChild, query: GrowthQuery): Promise<ExplainedGrowth> {
      const { skill, limit } = query
      const period = periodOf(query.period, child.today, child.timezone)
      const [from, today] = [dayNumber(period.from), dayNumber(period.to)]
      const after = query.cursor === undefined ? undefined : decodeCursor(Cursor, query.cursor, 'cursor')
      const { evidence, items } = await store.explained(child.id, period, {
        skills: skill === undefined ? SKILLS : [skill],
        after: after && { createdAt: new Date(after[0]), messageId: after[1], skill: after[2] },
        limit: limit + 1,
      })
      const growth = growthOf(evidence, period.from, period.to)
      const explained = (row: EvidenceRow): ExplainedEvidence => ({
        ...shareOf(growth[row.skill].sum, row.dismissed_at === null ? row.weight : 0, today - dayNumber(row.day)),
        messageId: row.message_id,
        conversationId: row.conversation_id,
        topic: curriculum.topic(row.topic_id) as Topic,
        skill: row.skill,
        at: new Date(row.created_at),
        content: row.content,
        isOwnWords: row.is_free_form,
        signs: signsOf(row.skill, row.content),
        weight: row.weight,
        isInPeriod: dayNumber(row.day) >= from,
        dismissedAt: row.dismissed_at === null ? null : new Date(row.dismissed_at),
      })
      const shown = items.slice(0, limit).map(explained)
      const last = items.length > limit ? shown.at(-1) : undefined
      return { growth, evidence: shown, cursor: last ? encodeCursor([last.at.toISOString(), last.messageId, last.skill]) : null }
    },

    /**
     * Dismisses what a turn says about a way of thinking, or counts it again: at once, wherever growth is told. Doing the same
     * again changes nothing; since when it is dismissed. Throws NOT_FOUND when the child has left no such evidence.
     */
    dismiss: (child: ActiveChild, messageId: string, skill: Skill, isDismissed: boolean): Promise<Date | null> =>
      store.dismiss(child.id, messageId, skill, isDismissed, new Date(clock.now())),
  }
}
export type GrowthService = ReturnType<typeof growthService>
