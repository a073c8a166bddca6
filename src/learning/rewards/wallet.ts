import type { Instant } from '../../platform/clock.ts'
import type { Transaction } from '../../platform/db/database.ts'
import { AppError } from '../../platform/http/errors.ts'
import type { LocalDate } from '../../platform/local-date.ts'

/** A line of the star ledger. The reason is unique for a child: what it names is paid or spent once. */
export interface StarMove {
  readonly reason: string
  readonly amount: number
  readonly day: LocalDate
  readonly at: Instant
}

/** Locks the wallet of a child until the transaction ends; the balance. */
export async function lockWallet(tx: Transaction, childId: string): Promise<number> {
  const [wallet] = await tx.$queryRaw<{ balance: number }[]>`SELECT balance FROM wallets WHERE child_id = ${childId}::uuid FOR UPDATE`
  if (!wallet) throw new AppError('CHILD_ACCESS_DENIED')
  return wallet.balance
}

/** Moves stars into a locked wallet, or out of it when the amount is negative, with their line in the ledger; the new balance. */
export async function moveStars(tx: Transaction, childId: string, { reason, amount, day, at }: StarMove): Promise<number> {
  await tx.$executeRaw`
    INSERT INTO star_ledger (child_id, reason, amount, day, created_at) VALUES (${childId}::uuid, ${reason}, ${amount}, ${day}::date, ${new Date(at)})`
  const [wallet] = await tx.$queryRaw<{ balance: number }[]>`
    UPDATE wallets SET balance = balance + ${amount}, lifetime_earned = lifetime_earned + ${Math.max(0, amount)} WHERE child_id = ${childId}::uuid RETURNING balance`
  return (wallet as { balance: number }).balance
}
