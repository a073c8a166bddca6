import { z } from 'zod'
import { Data, data, LocalDateText } from '../../platform/http/envelope.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import { streakBadgeId } from './streak.ts'
import type { StreakState, StreaksService } from './streaks.service.ts'

const tags = ['Rewards']

export const MilestoneView = z.object({ days: z.int(), reward: z.object({ type: z.literal('badge'), id: z.string() }) }).meta({ id: 'StreakMilestone' })
export const toMilestoneView = (days: number): z.infer<typeof MilestoneView> => ({ days, reward: { type: 'badge', id: streakBadgeId(days) } })

const StreakView = z
  .object({
    current_streak: z.int(),
    longest_streak: z.int(),
    last_activity_date: LocalDateText.nullable(),
    streak_freezes_available: z.int().min(0).max(3),
    next_milestone: MilestoneView,
    history: z
      .array(z.object({ date: LocalDateText, active: z.boolean(), frozen: z.boolean(), streak: z.int() }))
      .meta({ description: 'The last 30 local days, newest first' }),
  })
  .meta({
    id: 'Streak',
    example: {
      current_streak: 12,
      longest_streak: 25,
      last_activity_date: '2024-12-15',
      streak_freezes_available: 2,
      next_milestone: { days: 14, reward: { type: 'badge', id: 'two_week_wonder' } },
      history: [
        { date: '2024-12-15', active: true, frozen: false, streak: 12 },
        { date: '2024-12-14', active: true, frozen: false, streak: 11 },
      ],
    },
  })

const FreezeView = z
  .object({ freeze_used: z.literal(true), streak_preserved: z.int(), freezes_remaining: z.int() })
  .meta({ example: { freeze_used: true, streak_preserved: 12, freezes_remaining: 1 } })

const toStreakView = (state: StreakState): z.infer<typeof StreakView> => ({
  current_streak: state.current,
  longest_streak: state.longest,
  last_activity_date: state.lastActivity ?? null,
  streak_freezes_available: state.freezes,
  next_milestone: toMilestoneView(state.nextMilestone),
  history: state.history.map(({ day, ...rest }) => ({ date: day, ...rest })),
})

/** Sections 6.1 and 6.2 of the learning contract. */
export function registerStreakRoutes(app: TypedApp, streaks: StreaksService): void {
  app.get(
    '/streaks',
    {
      config: { actor: 'child', limit: 'general' },
      schema: {
        tags,
        summary: 'Get the streak of a child',
        description:
          'A local day counts with its first turn. Frozen days bridge without adding. Milestones: 3, 7, 14, 30, 50, 100 and 365 days, then each further year.',
        response: { 200: Data(StreakView) },
      },
    },
    async (request) => data(request, toStreakView(await streaks.state(request.child))),
  )

  app.post(
    '/streaks/freeze',
    {
      config: { actor: 'child', limit: 'general', errors: ['UNPROCESSABLE_ENTITY', 'CONFLICT'] },
      schema: {
        tags,
        summary: 'Use streak freezes',
        description:
          'Covers all days missed since the last counted one if the freezes suffice (else 422), also when today has counted already. Nothing missed and today not yet counted: it covers today. Otherwise 409. ' +
          'A child begins with two, earns one at every 7th day of a streak, and holds three at most; a frozen day that counts after all gives its freeze back.',
        response: { 200: Data(FreezeView) },
      },
    },
    async (request) => {
      const { current, freezes } = await streaks.freeze(request.child, request.operationId)
      return data(request, { freeze_used: true as const, streak_preserved: current, freezes_remaining: freezes })
    },
  )
}
