import { z } from 'zod'
import { type AgeGroup, ageGroupOf, ageOn } from '../../family/age-groups.ts'
import type { ActiveChild } from '../../family/child-access.ts'
import { type Clock, type Instant, MINUTE } from '../../platform/clock.ts'
import { decodeCursor, encodeCursor } from '../../platform/http/cursor.ts'
import { AppError, invalidField } from '../../platform/http/errors.ts'
import { addDays, type LocalDate, localDateAt, startOfDay } from '../../platform/local-date.ts'
import { flagOf, type SafetyFlag } from '../../safety/flags.ts'
import { isUnlocked, type MapState } from '../constellation/topic-map.ts'
import { summaryOf } from '../conversations/ending.service.ts'
import type { Curriculum, Topic } from '../curriculum/curriculum.ts'
import { type DepthStep, depthStepsOf, depthsBefore } from '../progress/depth-steps.ts'
import { type Growth, growthOf, type Skill } from '../progress/growth.ts'
import { streakAt } from '../rewards/streak.ts'
import { streakDaysOf } from '../rewards/streak-days.ts'
import type { ActivityRow, ChildSummaryRow, ConversationRow, DashboardStore, Period } from './dashboard.store.ts'

export const PERIODS = ['day', 'week', 'month'] as const
export type PeriodName = (typeof PERIODS)[number]
const PERIOD_DAYS: Readonly<Record<PeriodName, number>> = { day: 1, week: 7, month: 30 }
const SAMPLE_QUESTIONS = 3
const MOST_CONVERSATIONS = 100
const Cursor = z.tuple([z.iso.datetime(), z.uuid()])

export interface ChildSummary {
  readonly id: string
  readonly name: string
  readonly totalTimeMinutes: number
  readonly sessions: number
  readonly topicsExplored: number
  readonly newTopicsUnlocked: number
  readonly sparksCompleted: number
  readonly currentStreak: number
  readonly starsEarned: number
  /** Newest first, days without learning too. */
  readonly days: readonly { readonly day: LocalDate; readonly minutes: number; readonly isActive: boolean }[]
}

export interface TopicActivity {
  readonly topic: Topic
  readonly timeSpentMinutes: number
  readonly depthFrom: number
  readonly depthTo: number
  readonly sampleQuestions: readonly string[]
}

export interface ConversationLine {
  readonly id: string
  readonly topic: Topic
  readonly startedAt: Date
  readonly lastTurnAt: Date
  readonly endedAt: Date | null
  readonly messages: number
  readonly depth: number
  readonly durationMinutes: number
  readonly excerpt: string
}

export interface ChildActivity {
  readonly topics: readonly TopicActivity[]
  readonly growth: Readonly<Record<Skill, Growth>>
  readonly conversations: readonly ConversationLine[]
}

export interface FullConversation {
  readonly id: string
  readonly child: { readonly id: string; readonly name: string }
  readonly topic: Topic
  readonly startedAt: Date
  readonly endedAt: Date | null
  readonly depth: number
  readonly messages: readonly { readonly id: string; readonly role: 'user' | 'assistant'; readonly content: string; readonly at: Date }[]
  readonly flags: readonly SafetyFlag[]
}

export interface ChildDigest {
  readonly name: string
  readonly ageGroup: AgeGroup
  readonly minutes: number
  readonly conversations: number
  readonly sparks: number
  readonly streak: number
  readonly explored: readonly string[]
  readonly topics: readonly Topic[]
}

export interface LogQuery {
  readonly from_date?: LocalDate | undefined
  readonly to_date?: LocalDate | undefined
  readonly topic_id?: string | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

/** The days of a period that ends today. */
export function periodOf(name: PeriodName, today: LocalDate, timezone: string): Period {
  const from = addDays(today, 1 - PERIOD_DAYS[name])
  return { from, to: today, start: new Date(startOfDay(from, timezone)), end: new Date(startOfDay(addDays(today, 1), timezone)) }
}

export function dashboardService(store: DashboardStore, clock: Clock, curriculum: Curriculum) {
  function unlockedCount(depths: ReadonlyMap<string, number>, restricted: ReadonlySet<string>): number {
    const state: MapState = { restricted, progress: new Map([...depths].map(([topicId, depth]) => [topicId, { depth, talked: true }])) }
    return curriculum.topics.filter((topic) => !restricted.has(topic.id) && isUnlocked(topic, state)).length
  }

  function summarise(row: ChildSummaryRow, name: string, period: Period): ChildSummary {
    const steps = depthStepsOf(row.steps)
    const restricted = new Set(row.restricted_topics)
    const days: ChildSummary['days'][number][] = []
    for (let day = period.to; day >= period.from; day = addDays(day, -1)) {
      const rows = row.topic_days.filter((entry) => entry[0] === day)
      const timeMs = rows.reduce((sum, entry) => sum + entry[2], 0)
      days.push({ day, minutes: Math.floor(timeMs / MINUTE), isActive: rows.some((entry) => entry[3] > 0) })
    }
    return {
      id: row.id,
      name,
      totalTimeMinutes: Math.floor(row.topic_days.reduce((sum, entry) => sum + entry[2], 0) / MINUTE),
      sessions: row.sessions,
      topicsExplored: new Set(row.topic_days.filter((entry) => entry[3] > 0).map((entry) => entry[1])).size,
      newTopicsUnlocked:
        unlockedCount(depthsBefore(steps, Number.POSITIVE_INFINITY), restricted) - unlockedCount(depthsBefore(steps, period.start.getTime()), restricted),
      sparksCompleted: row.sparks,
      currentStreak: streakAt(period.to, streakDaysOf(row.streak_dates)),
      starsEarned: row.stars,
      days,
    }
  }

  /** The summaries of children over a period, in their order, in one round trip. */
  async function summaries<C extends { readonly id: string; readonly name: string }>(
    children: readonly C[],
    period: Period,
  ): Promise<{ child: C; summary: ChildSummary }[]> {
    const ids = children.map((child) => child.id)
    const rows = new Map((await store.summaries(ids, period)).map((row) => [row.id, row]))
    return children.flatMap((child) => {
      const row = rows.get(child.id)
      return row ? [{ child, summary: summarise(row, child.name, period) }] : []
    })
  }

  const lineOf = (row: ConversationRow, childName: string): ConversationLine => {
    const topic = curriculum.topic(row.topic_id) as Topic
    return {
      id: row.id,
      topic,
      startedAt: row.started_at,
      lastTurnAt: row.last_turn_at ?? row.started_at,
      endedAt: row.ended_at,
      messages: row.messages,
      depth: row.depth,
      durationMinutes: Math.floor(row.time_ms / MINUTE),
      excerpt:
        row.summary ??
        summaryOf(
          childName,
          topic,
          row.told.flatMap((key) => curriculum.passage(key)?.about ?? []),
        ),
    }
  }

  return {
    /** All children of a parent, or one, over a period that ends today; two round trips. Throws CHILD_ACCESS_DENIED for a child that is not theirs. */
    async summary(parentId: string, periodName: PeriodName, childId: string | undefined): Promise<ChildSummary[]> {
      const family = await store.family(parentId)
      if (!family) throw new AppError('UNAUTHORIZED')
      const wanted = family.children.filter((child) => childId === undefined || child.id === childId)
      if (childId !== undefined && wanted.length === 0) throw new AppError('CHILD_ACCESS_DENIED')
      const period = periodOf(periodName, localDateAt(clock.now(), family.timezone), family.timezone)
      return (await summaries(wanted, period)).map(({ summary }) => summary)
    },

    /** What a weekly mail tells: each child's last seven days, with what was explored, latest first. */
    async digest(parentId: string): Promise<ChildDigest[]> {
      const family = await store.family(parentId)
      if (!family) return []
      const today = localDateAt(clock.now(), family.timezone)
      const period = periodOf('week', today, family.timezone)
      const filter = { start: period.start, end: period.end, topicId: undefined, after: undefined, limit: MOST_CONVERSATIONS }
      const digests: ChildDigest[] = []
      for (const { child, summary } of await summaries(family.children, period)) {
        const { id, name, birth_date } = child
        const talks = await store.conversations(id, filter)
        const told = talks.flatMap((talk) => talk.told.toReversed()).flatMap((key) => curriculum.passage(key) ?? [])
        digests.push({
          ...{ name, ageGroup: ageGroupOf(ageOn(today, birth_date)), minutes: summary.totalTimeMinutes, conversations: summary.sessions },
          ...{ sparks: summary.sparksCompleted, streak: summary.currentStreak, explored: [...new Set(told.map((passage) => passage.about))] },
          topics: [...new Set(told.map((passage) => passage.topic))],
        })
      }
      return digests
    },

    /** What a child did in a period, by topic, and how its ways of thinking grew. At most two round trips. */
    async activity(child: ActiveChild, periodName: PeriodName, withConversations: boolean): Promise<ChildActivity> {
      const period = periodOf(periodName, child.today, child.timezone)
      const filter = { start: period.start, end: period.end, topicId: undefined, after: undefined, limit: MOST_CONVERSATIONS }
      const [row, conversations] = await Promise.all([
        store.activity(child.id, period, SAMPLE_QUESTIONS),
        withConversations ? store.conversations(child.id, filter) : [],
      ])
      return {
        topics: topicActivities(curriculum, row, depthStepsOf(row.steps), period.start.getTime()),
        growth: growthOf(row.evidence, period.from, period.to),
        conversations: conversations.map((conversation) => lineOf(conversation, child.name)),
      }
    },

    /** A page of conversations in which the child said something, newest first. Dates are local days, both included. */
    async conversations(child: ActiveChild, query: LogQuery): Promise<{ lines: ConversationLine[]; cursor: string | null }> {
      const { from_date: from, to_date: to, limit } = query
      if (from !== undefined && to !== undefined && from > to) throw invalidField('to_date', 'Must not lie before from_date')
      const after = query.cursor === undefined ? undefined : decodeCursor(Cursor, query.cursor, 'cursor')
      const rows = await store.conversations(child.id, {
        start: from === undefined ? undefined : new Date(startOfDay(from, child.timezone)),
        end: to === undefined ? undefined : new Date(startOfDay(addDays(to, 1), child.timezone)),
        topicId: query.topic_id,
        after: after && { startedAt: new Date(after[0]), id: after[1] },
        limit: limit + 1,
      })
      const shown = rows.slice(0, limit)
      const last = rows.length > limit ? shown.at(-1) : undefined
      return { lines: shown.map((row) => lineOf(row, child.name)), cursor: last ? encodeCursor([last.started_at.toISOString(), last.id]) : null }
    },

    /** Every word of a conversation of one of the parent's children, restricted topics too. Throws NOT_FOUND for any other. */
    async conversation(parentId: string, conversationId: string): Promise<FullConversation> {
      const row = await store.conversation(parentId, conversationId)
      if (!row) throw new AppError('NOT_FOUND')
      return {
        id: row.id,
        child: { id: row.child_id, name: row.name },
        topic: curriculum.topic(row.topic_id) as Topic,
        startedAt: row.started_at,
        endedAt: row.ended_at,
        depth: row.depth,
        messages: row.messages.map(({ at, ...message }) => ({ ...message, at: new Date(at) })),
        flags: row.flags.map(flagOf),
      }
    },
  }
}
export type DashboardService = ReturnType<typeof dashboardService>

function topicActivities(curriculum: Curriculum, row: ActivityRow, steps: readonly DepthStep[], start: Instant): TopicActivity[] {
  const [before, now] = [depthsBefore(steps, start), depthsBefore(steps, Number.POSITIVE_INFINITY)]
  return row.topic_days.flatMap(([topicId, timeMs, turns]) => {
    const topic = curriculum.topic(topicId)
    if (!topic || turns === 0) return []
    const sampleQuestions = row.questions.filter((question) => question[0] === topicId).map((question) => question[1])
    return [{ topic, timeSpentMinutes: Math.floor(timeMs / MINUTE), depthFrom: before.get(topicId) ?? 0, depthTo: now.get(topicId) ?? 0, sampleQuestions }]
  })
}
