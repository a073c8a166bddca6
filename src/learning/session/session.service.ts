import { type ActiveChild, holdChild } from '../../family/child-access.ts'
import { FREE_AVATARS } from '../../family/children.service.ts'
import { type Clock, MINUTE } from '../../platform/clock.ts'
import type { Database, Statement } from '../../platform/db/database.ts'
import { AppError, invalidField } from '../../platform/http/errors.ts'
import { bookedOn } from '../conversations/conversations.store.ts'
import { isBedtime, leftToday, type TimeReason, timeRefusal, usedToday } from '../progress/time-budget.ts'
import { FREE_THEME } from '../rewards/shop.catalogue.ts'
import { ownsItem } from '../rewards/shop.service.ts'

export interface ChildSession {
  readonly child: ActiveChild
  readonly avatarId: string
  readonly themeId: string
  readonly companionId: string | null
  readonly soundEnabled: boolean
  readonly voiceOverEnabled: boolean
  readonly usedMinutes: number
  readonly minutesLeft: number
  readonly isBedtime: boolean
  readonly refusal: TimeReason | undefined
}

/** What a child wears. null takes the companion off. */
export interface Outfit {
  readonly avatar_id?: string | undefined
  readonly theme_id?: string | undefined
  readonly companion_id?: string | null | undefined
}

const SESSION: Statement = {
  name: 'session.state',
  text: `
    SELECT c.avatar_id, c.theme_id, c.companion_id, c.sound_enabled, c.voice_over_enabled, l.last_event_at, ${bookedOn('c.id', '$2::date')} AS booked_today_ms
    FROM children c JOIN learners l ON l.child_id = c.id WHERE c.id = $1`,
}

type SessionRow = {
  avatar_id: string
  theme_id: string
  companion_id: string | null
  sound_enabled: boolean
  voice_over_enabled: boolean
  last_event_at: Date | null
  booked_today_ms: number
}

const FREE = new Set([...FREE_AVATARS, FREE_THEME])

export function sessionService(db: Database, clock: Clock) {
  /** What a child's device needs to know: settings, outfit, time and whether learning may go on. */
  async function session(child: ActiveChild): Promise<ChildSession> {
    const [row] = await db.query<SessionRow>(SESSION, [child.id, child.today])
    if (!row) throw new AppError('CHILD_ACCESS_DENIED')
    const now = clock.now()
    const lastEventAt = row.last_event_at?.getTime() ?? null
    const used = usedToday(child, now, lastEventAt, row.booked_today_ms)
    return {
      child,
      avatarId: row.avatar_id,
      themeId: row.theme_id,
      companionId: row.companion_id,
      soundEnabled: row.sound_enabled,
      voiceOverEnabled: row.voice_over_enabled,
      usedMinutes: Math.floor(used / MINUTE),
      minutesLeft: Math.ceil(leftToday(child, used) / MINUTE),
      isBedtime: isBedtime(now, child.timezone, child),
      refusal: timeRefusal(child, now, lastEventAt, row.booked_today_ms),
    }
  }

  return {
    session,

    /** Puts on what is named: free things and things the child has bought. A 400 names what it may not wear. */
    async wear(child: ActiveChild, outfit: Outfit): Promise<ChildSession> {
      await db.transaction(async (tx) => {
        await holdChild(tx, child.id)
        for (const [field, prefix] of [
          ['avatar_id', 'avatar_'],
          ['theme_id', 'theme_'],
          ['companion_id', 'companion_'],
        ] as const) {
          const id = outfit[field]
          if (id === undefined || id === null) continue
          if (!id.startsWith(prefix) || (!FREE.has(id) && !(await ownsItem(tx, child.id, id)))) throw invalidField(field, 'Not something this child owns')
        }
        const { avatar_id, theme_id, companion_id } = outfit
        await tx.child.update({
          where: { id: child.id },
          data: {
            ...(avatar_id !== undefined && { avatarId: avatar_id }),
            ...(theme_id !== undefined && { themeId: theme_id }),
            ...(companion_id !== undefined && { companionId: companion_id }),
            updatedAt: new Date(clock.now()),
          },
        })
      })
      return session(child)
    },
  }
}
export type SessionService = ReturnType<typeof sessionService>
