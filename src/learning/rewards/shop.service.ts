import { type ActiveChild, holdChild } from '../../family/child-access.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Database, Statement, Transaction } from '../../platform/db/database.ts'
import { AppError } from '../../platform/http/errors.ts'
import type { ShopCatalogue, ShopItem } from './shop.catalogue.ts'
import { MOST_FREEZES } from './streak.ts'
import { lockWallet, moveStars } from './wallet.ts'

export interface OfferedItem {
  readonly item: ShopItem
  readonly isOwned: boolean
}

export interface Purchased {
  readonly item: ShopItem
  readonly balance: number
}

const OWNED: Statement = { name: 'shop.owned', text: 'SELECT DISTINCT item_id FROM purchases WHERE child_id = $1' }

/** Whether a child has bought an item. */
export async function ownsItem(tx: Transaction, childId: string, itemId: string): Promise<boolean> {
  return (await tx.purchase.findFirst({ where: { childId, itemId }, select: { itemId: true } })) !== null
}

export function shopService(db: Database, clock: Clock, catalogue: ShopCatalogue) {
  /** Adds a freeze to those in hand, under the learner's lock. Throws CONFLICT when three are. */
  async function addFreeze(tx: Transaction, child: ActiveChild, number: number, at: Date): Promise<void> {
    const [learner] = await tx.$queryRaw<{ freezes: number }[]>`SELECT freezes FROM learners WHERE child_id = ${child.id}::uuid FOR UPDATE`
    if (!learner || learner.freezes >= MOST_FREEZES)
      throw new AppError('CONFLICT', {
        message: `At most ${MOST_FREEZES} streak freezes can be kept`,
        reason: 'full',
        child: 'You have all the streak freezes you can carry!',
      })
    await tx.freezeEntry.create({ data: { childId: child.id, reason: `shop:${number}`, amount: 1, day: new Date(child.today), createdAt: at } })
    await tx.learner.update({ where: { childId: child.id }, data: { freezes: learner.freezes + 1 } })
  }

  return {
    /** Every item, with whether the child owns it. Streak freezes are used up, never owned. */
    async offers(child: ActiveChild): Promise<OfferedItem[]> {
      const owned = new Set((await db.query<{ item_id: string }>(OWNED, [child.id])).map((row) => row.item_id))
      return catalogue.items.map((item) => ({ item, isOwned: item.category !== 'streak_freeze' && owned.has(item.id) }))
    },

    /**
     * Buys an item under `operationId`, once: stars, ledger and purchase move together, under the wallet's lock.
     * Throws NOT_FOUND (no such item), CONFLICT (owned already, or three freezes in hand), UNPROCESSABLE_ENTITY (too few stars).
     */
    async buy(child: ActiveChild, operationId: string, itemId: string): Promise<Purchased> {
      const item = catalogue.item(itemId)
      if (!item) throw new AppError('NOT_FOUND', { message: 'There is no such item' })
      const now = clock.now()
      const at = new Date(now)
      return db.transaction(async (tx) => {
        await holdChild(tx, child.id)
        const before = await lockWallet(tx, child.id)
        const known = await tx.purchase.findUnique({ where: { childId_operationId: { childId: child.id, operationId } }, select: { itemId: true } })
        if (known) return { item, balance: before }
        const number = (await tx.purchase.count({ where: { childId: child.id, itemId } })) + 1
        const isConsumed = item.category === 'streak_freeze'
        if (number > 1 && !isConsumed)
          throw new AppError('CONFLICT', { message: 'The child owns this item already', reason: 'owned', child: 'You have that one already!' })
        if (before < item.cost) {
          const missing = item.cost - before
          const child = missing === 1 ? 'One more star to go!' : `${missing} more stars to go!`
          throw new AppError('UNPROCESSABLE_ENTITY', { message: 'Not enough stars', reason: 'too_few_stars', child })
        }
        if (isConsumed) await addFreeze(tx, child, number, at)
        await tx.purchase.create({ data: { childId: child.id, itemId, number, cost: item.cost, purchasedAt: at, operationId } })
        const reason = isConsumed ? `shop:${itemId}:${number}` : `shop:${itemId}`
        return { item, balance: await moveStars(tx, child.id, { reason, amount: -item.cost, day: child.today, at: now }) }
      })
    },
  }
}
export type ShopService = ReturnType<typeof shopService>
