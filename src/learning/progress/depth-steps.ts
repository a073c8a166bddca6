import type { Instant } from '../../platform/clock.ts'
import type { Topic } from '../curriculum/curriculum.ts'

/** When a child first reached a depth of a topic; depth 0 is its first turn there. */
export interface DepthStep {
  readonly topicId: string
  readonly depth: number
  readonly reachedAt: Instant
  /** The child's message of that turn; null for what was reached before steps were kept. */
  readonly messageId: string | null
}

/** A SQL expression: every step of a child. `child` is a parameter or column. */
export const depthSteps = (child: string): string =>
  `(SELECT coalesce(json_agg(json_build_array(t.topic_id, t.depth, extract(epoch FROM t.reached_at) * 1000, t.message_id)), '[]') FROM depth_steps t WHERE t.child_id = ${child})`

export type DepthStepRows = readonly (readonly [topicId: string, depth: number, reachedAtMs: number, messageId: string | null])[]

export const depthStepsOf = (rows: DepthStepRows): DepthStep[] =>
  rows.map(([topicId, depth, reachedAt, messageId]) => ({ topicId, depth, reachedAt, messageId }))

/** The depth of each topic just before an instant. Topics not yet talked in are absent. */
export function depthsBefore(steps: readonly DepthStep[], instant: Instant): ReadonlyMap<string, number> {
  const depths = new Map<string, number>()
  for (const { topicId, depth, reachedAt } of steps) if (reachedAt < instant) depths.set(topicId, Math.max(depth, depths.get(topicId) ?? 0))
  return depths
}

/** Depths whose reaching is a moment of insight. */
const AHA_DEPTHS: readonly number[] = [3, 6, 10]

/** How many turns raised a topic to depth 3, 6 or 10, or discovered a connection (were the first at its second end). A turn counts once. */
export function ahaMoments(steps: readonly DepthStep[], connections: readonly { readonly from: Topic; readonly to: Topic }[]): number {
  const turnOf = (step: DepthStep) => step.messageId ?? `${step.topicId}@${step.reachedAt}`
  const firstTurns = new Map(steps.filter((step) => step.depth === 0).map((step) => [step.topicId, step]))
  const moments = new Set(steps.filter((step) => AHA_DEPTHS.includes(step.depth)).map(turnOf))
  for (const { from, to } of connections) {
    const [one, other] = [firstTurns.get(from.id), firstTurns.get(to.id)]
    if (one && other) moments.add(turnOf(one.reachedAt > other.reachedAt ? one : other))
  }
  return moments.size
}

/**
 * Since when a topic has been open: from the start, or since the last of its prerequisites was reached (those that are
 * restricted count as met), or since the child first got there. Undefined while it is locked.
 */
export function unlockedAt(topic: Topic, steps: readonly DepthStep[], start: Instant, restricted: ReadonlySet<string>): Instant | undefined {
  const reached = (topicId: string, depth: number) => steps.find((step) => step.topicId === topicId && step.depth === depth)?.reachedAt
  const needed = topic.prerequisites.filter((prerequisite) => !restricted.has(prerequisite.topic.id)).map(({ topic: other, depth }) => reached(other.id, depth))
  const opened = needed.includes(undefined) ? undefined : Math.max(start, ...(needed as Instant[]))
  const entered = reached(topic.id, 0)
  return opened === undefined || (entered !== undefined && entered < opened) ? entered : opened
}
