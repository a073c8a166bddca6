import { z } from 'zod'
import { isoSeconds } from '../platform/clock.ts'
import type { Transaction } from '../platform/db/database.ts'
import { Timestamp } from '../platform/http/envelope.ts'
import { newId } from '../platform/ids.ts'

export interface SafetyFlag {
  readonly id: string
  readonly messageId: string
  readonly category: string
  readonly severity: string
  readonly action: string
  readonly createdAt: Date
}

export const SafetyFlagView = z
  .object({
    id: z.uuid(),
    message_id: z.uuid(),
    category: z.string().meta({ description: '`reported`: the child pointed at this reply' }),
    severity: z.string(),
    action: z.string(),
    created_at: Timestamp,
  })
  .meta({ id: 'SafetyFlag' })

export const toSafetyFlagView = (flag: SafetyFlag): z.infer<typeof SafetyFlagView> => ({
  id: flag.id,
  message_id: flag.messageId,
  category: flag.category,
  severity: flag.severity,
  action: flag.action,
  created_at: isoSeconds(flag.createdAt),
})

/** Raises a flag on a message; a second one of the same category changes nothing. */
export async function raiseFlag(
  tx: Transaction,
  flag: {
    readonly childId: string
    readonly conversationId: string
    readonly messageId: string
    readonly category: string
    readonly severity: string
    readonly action: string
  },
  at: Date,
): Promise<void> {
  await tx.safetyFlag.createMany({ data: { ...flag, id: newId(), createdAt: at }, skipDuplicates: true })
}
