import type { Family } from './family.ts'
import type { TestServer } from './server.ts'

/** Puts stars into a child's wallet, with their line in the ledger, as a reward would. */
export async function giveStars(server: TestServer, childId: string, amount: number): Promise<void> {
  const { prisma } = server.deps.db
  await prisma.$transaction([
    prisma.starEntry.create({
      data: { childId, reason: `gift:${amount}:${server.clock.now()}`, amount, day: new Date('2026-11-01'), createdAt: new Date(server.clock.now()) },
    }),
    prisma.wallet.update({ where: { childId }, data: { balance: { increment: amount }, lifetimeEarned: { increment: amount } } }),
  ])
}

/** The balance, the ledger's sum, and the same of freezes: each pair must agree. */
export async function purse(server: TestServer, { childId }: Pick<Family, 'childId'>) {
  const { prisma } = server.deps.db
  const wallet = await prisma.wallet.findUniqueOrThrow({ where: { childId } })
  const learner = await prisma.learner.findUniqueOrThrow({ where: { childId } })
  const stars = await prisma.starEntry.aggregate({ where: { childId }, _sum: { amount: true } })
  const freezes = await prisma.freezeEntry.aggregate({ where: { childId }, _sum: { amount: true } })
  return { balance: wallet.balance, starSum: stars._sum.amount ?? 0, freezes: learner.freezes, freezeSum: freezes._sum.amount ?? 0 }
}
