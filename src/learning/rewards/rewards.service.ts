import type { ActiveChild } from '../../family/child-access.ts'
import type { Database, Statement } from '../../platform/db/database.ts'
import { AppError } from '../../platform/http/errors.ts'
import type { Badge, BadgeCatalogue } from './badges.ts'
import type { ShopCatalogue, ShopItem } from './shop.catalogue.ts'

export interface Rewards {
  readonly stars: { readonly balance: number; readonly lifetimeEarned: number }
  /** Latest first. */
  readonly badges: readonly { readonly badge: Badge; readonly earnedAt: Date }[]
  readonly unlocks: readonly { readonly item: ShopItem; readonly unlockedAt: Date }[]
}

const REWARDS: Statement = {
  name: 'rewards.all',
  text: `
    SELECT w.balance, w.lifetime_earned,
      (SELECT coalesce(json_agg(json_build_array(b.badge_id, b.earned_at) ORDER BY b.earned_at DESC, b.badge_id), '[]') FROM badges b WHERE b.child_id = w.child_id) AS badges,
      (SELECT coalesce(json_agg(json_build_array(p.item_id, p.purchased_at) ORDER BY p.purchased_at DESC, p.item_id), '[]') FROM purchases p WHERE p.child_id = w.child_id) AS purchases
    FROM wallets w WHERE w.child_id = $1`,
}

type Dated = readonly (readonly [id: string, at: string])[]

export function rewardsService(db: Database, badges: BadgeCatalogue, catalogue: ShopCatalogue) {
  return {
    /** Everything a child has earned and bought, in one round trip. */
    async rewards(child: ActiveChild): Promise<Rewards> {
      const [row] = await db.query<{ balance: number; lifetime_earned: number; badges: Dated; purchases: Dated }>(REWARDS, [child.id])
      if (!row) throw new AppError('CHILD_ACCESS_DENIED')
      return {
        stars: { balance: row.balance, lifetimeEarned: row.lifetime_earned },
        badges: row.badges.flatMap(([id, at]) => {
          const badge = badges.get(id)
          return badge ? [{ badge, earnedAt: new Date(at) }] : []
        }),
        unlocks: row.purchases.flatMap(([id, at]) => {
          const item = catalogue.item(id)
          return item && item.category !== 'streak_freeze' ? [{ item, unlockedAt: new Date(at) }] : []
        }),
      }
    },
  }
}
export type RewardsService = ReturnType<typeof rewardsService>
