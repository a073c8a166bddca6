import type { Badge, BadgeCatalogue } from './badges.ts'

/** Something a child has earned. */
export type Reward = { readonly type: 'star'; readonly amount: number } | { readonly type: 'badge'; readonly badge: Badge }

/** Badges by their ids, in the order of the ids; ids that the catalogue does not know any more are left out. */
export function badgeRewards(catalogue: BadgeCatalogue, ids: readonly string[]): Reward[] {
  return ids.toSorted().flatMap((id) => {
    const badge = catalogue.get(id)
    return badge ? [{ type: 'badge' as const, badge }] : []
  })
}
