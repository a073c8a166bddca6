import { TIME_RULE_COLUMNS, type TimeRulesRow, timeRulesOf } from '../../family/child-access.ts'
import { type Clock, type Instant, MINUTE } from '../../platform/clock.ts'
import type { Database, Statement } from '../../platform/db/database.ts'
import { localDateAt } from '../../platform/local-date.ts'
import { leftToday, minutesToBedtime, TIME_MESSAGES, type TimeReason, type TimeRules, timeRefusal, usedToday } from '../progress/time-budget.ts'
import type { LiveEvents } from './live-events.ts'
import type { SessionMarks } from './session-marks.ts'

/** Minutes before the end at which a child is told. */
const WARNINGS = [1, 5] as const
const CHILDREN_AT_ONCE = 1_000

/** How near the end of the session is: 0 over, 1 and 5 minutes at most, or far. */
type Stage = 0 | (typeof WARNINGS)[number] | 'far'
const urgency: Readonly<Record<Stage, number>> = { 0: 3, 1: 2, 5: 1, far: 0 }

type Mark = Pick<SessionState, 'stage' | 'reason'>
const FAR: Mark = { stage: 'far', reason: undefined }

export interface SessionState {
  readonly stage: Stage
  readonly minutesLeft: number
  readonly reason: TimeReason | undefined
}

/** Where a child's session stands: what is left of the day's budget and until bedtime, whichever is less. */
export function sessionState(rules: TimeRules, now: Instant, lastEventAt: Instant | null, bookedTodayMs: number): SessionState {
  const reason = timeRefusal(rules, now, lastEventAt, bookedTodayMs)
  if (reason) return { stage: 0, minutesLeft: 0, reason }
  const leftMs = leftToday(rules, usedToday(rules, now, lastEventAt, bookedTodayMs))
  const minutesLeft = Math.ceil(Math.min(leftMs / MINUTE, minutesToBedtime(now, rules.timezone, rules) ?? Number.POSITIVE_INFINITY))
  return { stage: WARNINGS.find((minutes) => minutesLeft <= minutes) ?? 'far', minutesLeft, reason }
}

// Booked time is read for today and the days around it: which of them is today depends on the time zone of each child.
const STATES: Statement = {
  name: 'gateway.session_states',
  text: `
    SELECT c.id, ${TIME_RULE_COLUMNS}, l.last_event_at, (SELECT coalesce(json_object_agg(b.day, b.ms), '{}') FROM
        (SELECT d.day, sum(d.time_ms) AS ms FROM topic_days d WHERE d.child_id = c.id AND d.day BETWEEN $2::date - 1 AND $2::date + 1 GROUP BY d.day) b) AS booked
    FROM children c JOIN parents p ON p.id = c.parent_id JOIN learners l ON l.child_id = c.id WHERE c.id = ANY($1::uuid[])`,
}

type StateRow = TimeRulesRow & { id: string; last_event_at: Date | null; booked: Record<string, number> }

export interface SessionWatchDeps {
  readonly db: Database
  readonly clock: Clock
  readonly live: LiveEvents
  /** What other instances have told; undefined when there are none. */
  readonly sessionMarks: SessionMarks | undefined
  readonly everyMs: number
  /** Called for a child that somebody listens to though it is no more: nobody told this instance when it went. */
  readonly onGone: (childId: string) => void
  readonly onError: (error: unknown) => void
}

/**
 * Tells every child that is listening when its time draws to an end: `time_warning` at five and at one minute,
 * `session_end` at the end, each once, whatever brought it (learning, bedtime, the parent), by one of the instances that it
 * listens on. One query for all children.
 */
export function watchSessions({ db, clock, live, sessionMarks, everyMs, onGone, onError }: SessionWatchDeps): { stop(): void } {
  /** What each child was last told of, here or, as far as is known, elsewhere. */
  const told = new Map<string, Mark>()
  let isLooking = false

  function tell(childId: string, { stage, minutesLeft, reason }: SessionState, before: Mark): void {
    if (urgency[stage] <= urgency[before.stage] && (reason === undefined || reason === before.reason)) return
    if (reason) live.publish(childId, { type: 'session_end', reason, message: TIME_MESSAGES[reason] })
    else live.publish(childId, { type: 'time_warning', minutes_remaining: minutesLeft, message: warning(minutesLeft) })
  }

  /** Marks what children are told now, and gives what they were told before. Cut off from the others, this instance tells its own. */
  async function mark(now: Instant, states: ReadonlyMap<string, SessionState>): Promise<ReadonlyMap<string, Mark>> {
    const before = new Map([...states.keys()].map((childId) => [childId, told.get(childId) ?? FAR]))
    for (const [childId, { stage, reason }] of states) told.set(childId, { stage, reason })
    if (!sessionMarks || !live.connected || states.size === 0) return before
    try {
      const marks = new Map([...states].map(([childId, { stage, reason }]) => [childId, { rank: urgency[stage], text: JSON.stringify({ stage, reason }) }]))
      for (const [childId, text] of await sessionMarks.exchange(now, marks)) before.set(childId, JSON.parse(text))
    } catch (error) {
      onError(error)
    }
    return before
  }

  async function look(): Promise<void> {
    const children = live.listeners
    const listening = new Set(children)
    for (const childId of told.keys()) if (!listening.has(childId)) told.delete(childId)
    for (let start = 0; start < children.length; start += CHILDREN_AT_ONCE) {
      const now = clock.now()
      const some = children.slice(start, start + CHILDREN_AT_ONCE)
      const rows = await db.query<StateRow>(STATES, [some, localDateAt(now, 'UTC')])
      const states = new Map<string, SessionState>()
      for (const row of rows) {
        const rules = timeRulesOf(row, now)
        states.set(row.id, sessionState(rules, now, row.last_event_at?.getTime() ?? null, row.booked[rules.today] ?? 0))
      }
      for (const childId of some) if (!states.has(childId)) onGone(childId)
      const before = await mark(now, states)
      for (const [childId, state] of states) tell(childId, state, before.get(childId) ?? FAR)
    }
  }

  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    look()
      .catch(onError)
      .finally(() => {
        isLooking = false
      })
  }, everyMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}

const warning = (minutes: number): string => `${minutes} more ${minutes === 1 ? 'minute' : 'minutes'} of brain sparking today!`
