import { z } from 'zod'
import { isoSeconds } from '../../platform/clock.ts'
import { Data, data, Timestamp } from '../../platform/http/envelope.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import type { Rewards, RewardsService } from './rewards.service.ts'

const UNLOCK_TYPES = { avatar: 'avatar', theme: 'constellation_theme', companion: 'companion' } as const

const RewardsQuery = z.strictObject({ type: z.enum(['badge', 'star', 'unlock']).optional().meta({ description: 'Only this part; the others are left out' }) })

const RewardsView = z
  .object({
    stars: z.object({ balance: z.int(), lifetime_earned: z.int() }).optional(),
    badges: z.array(z.object({ id: z.string(), name: z.string(), description: z.string(), icon: z.string(), earned_at: Timestamp })).optional(),
    unlocks: z.array(z.object({ id: z.string(), name: z.string(), type: z.enum(Object.values(UNLOCK_TYPES)), unlocked_at: Timestamp })).optional(),
  })
  .meta({
    id: 'Rewards',
    example: {
      stars: { balance: 234, lifetime_earned: 567 },
      badges: [
        { id: 'space_explorer_1', name: 'Space Explorer', description: 'Reached depth 3 in Space', icon: 'badge_space', earned_at: '2024-12-10T14:00:00Z' },
      ],
      unlocks: [{ id: 'theme_galaxy', name: 'Galaxy Theme', type: 'constellation_theme', unlocked_at: '2024-12-12T10:00:00Z' }],
    },
  })

function toRewardsView({ stars, badges, unlocks }: Rewards, type: z.infer<typeof RewardsQuery>['type']): z.infer<typeof RewardsView> {
  const shows = (part: typeof type) => type === undefined || type === part
  return {
    ...(shows('star') && { stars: { balance: stars.balance, lifetime_earned: stars.lifetimeEarned } }),
    ...(shows('badge') && { badges: badges.map(({ badge, earnedAt }) => ({ ...badge, earned_at: isoSeconds(earnedAt) })) }),
    ...(shows('unlock') && {
      unlocks: unlocks.map(({ item, unlockedAt }) => ({
        id: item.id,
        name: item.name,
        type: UNLOCK_TYPES[item.category as keyof typeof UNLOCK_TYPES],
        unlocked_at: isoSeconds(unlockedAt),
      })),
    }),
  }
}

/** Section 6.3 of the learning contract. */
export function registerRewardsRoutes(app: TypedApp, rewards: RewardsService): void {
  app.get(
    '/rewards',
    {
      config: { actor: 'child', limit: 'general' },
      schema: { tags: ['Rewards'], summary: "Get a child's stars, badges and unlocks", querystring: RewardsQuery, response: { 200: Data(RewardsView) } },
    },
    async (request) => data(request, toRewardsView(await rewards.rewards(request.child), request.query.type)),
  )
}
