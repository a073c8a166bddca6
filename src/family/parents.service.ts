import type { ProfilePort } from '../identity/auth.service.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database, Statement } from '../platform/db/database.ts'
import { AppError } from '../platform/http/errors.ts'
import { localDateAt } from '../platform/local-date.ts'
import { type AgeGroup, ageGroupOf, ageOn } from './age-groups.ts'

/** Section 3.1; new keys get their default when an old row lacks them. */
export interface ParentSettings {
  readonly notifications: { readonly email_digest: boolean; readonly push_enabled: boolean; readonly streak_reminders: boolean }
}
const DEFAULT_SETTINGS: ParentSettings = { notifications: { email_digest: true, push_enabled: true, streak_reminders: true } }

export interface ParentProfile {
  readonly id: string
  readonly email: string
  readonly emailVerified: boolean
  readonly displayName: string
  readonly timezone: string
  readonly subscriptionTier: string
  readonly subscriptionExpiresAt: Date | null
  readonly settings: ParentSettings
  readonly createdAt: Date
  readonly children: readonly { id: string; name: string; ageGroup: AgeGroup; avatarId: string }[]
}

export interface ParentChanges {
  readonly display_name?: string | undefined
  readonly timezone?: string | undefined
  readonly settings?: { readonly notifications?: Partial<ParentSettings['notifications']> | undefined } | undefined
}

const FIND_PARENT: Statement = {
  name: 'family.parent',
  text: `
    SELECT a.email, a.email_verified_at, p.display_name, p.timezone, p.subscription_tier, p.subscription_expires_at,
      p.settings, p.created_at,
      (SELECT coalesce(json_agg(json_build_object('id', c.id, 'name', c.name, 'birth_date', c.birth_date, 'avatar_id', c.avatar_id)
         ORDER BY c.created_at, c.id), '[]') FROM children c WHERE c.parent_id = p.id) AS children
    FROM parents p JOIN accounts a ON a.id = p.id
    WHERE p.id = $1`,
}

interface ParentRow {
  readonly email: string
  readonly email_verified_at: Date | null
  readonly display_name: string
  readonly timezone: string
  readonly subscription_tier: string
  readonly subscription_expires_at: Date | null
  readonly settings: Partial<ParentSettings>
  readonly created_at: Date
  readonly children: { id: string; name: string; birth_date: string; avatar_id: string }[]
}

function mergeSettings(settings: Partial<ParentSettings>, changes: ParentChanges['settings']): ParentSettings {
  return { notifications: { ...DEFAULT_SETTINGS.notifications, ...settings.notifications, ...changes?.notifications } }
}

export function parentsService(db: Database, clock: Clock) {
  async function get(parentId: string): Promise<ParentProfile> {
    const [row] = await db.query<ParentRow & Record<string, unknown>>(FIND_PARENT, [parentId])
    if (!row) throw new AppError('UNAUTHORIZED')
    const today = localDateAt(clock.now(), row.timezone)
    return {
      id: parentId,
      email: row.email,
      emailVerified: row.email_verified_at !== null,
      displayName: row.display_name,
      timezone: row.timezone,
      subscriptionTier: row.subscription_tier,
      subscriptionExpiresAt: row.subscription_expires_at,
      settings: mergeSettings(row.settings, undefined),
      createdAt: row.created_at,
      children: row.children.map((child) => ({
        id: child.id,
        name: child.name,
        ageGroup: ageGroupOf(ageOn(today, child.birth_date)),
        avatarId: child.avatar_id,
      })),
    }
  }

  return {
    /** The profile with its children, oldest first, in one round trip. */
    get,

    /** Changes what is named and leaves the rest, settings too; parallel changes of different settings both last. */
    async update(parentId: string, changes: ParentChanges): Promise<ParentProfile> {
      await db.transaction(async (tx) => {
        const [locked] = await tx.$queryRaw<{ settings: Partial<ParentSettings> }[]>`SELECT settings FROM parents WHERE id = ${parentId}::uuid FOR UPDATE`
        if (!locked) throw new AppError('UNAUTHORIZED')
        await tx.parent.update({
          where: { id: parentId },
          data: {
            ...(changes.display_name !== undefined && { displayName: changes.display_name }),
            ...(changes.timezone !== undefined && { timezone: changes.timezone }),
            ...(changes.settings && { settings: mergeSettings(locked.settings, changes.settings) as object }),
            updatedAt: new Date(clock.now()),
          },
        })
      })
      return get(parentId)
    },
  }
}
export type ParentsService = ReturnType<typeof parentsService>

/** What identity needs of a family when an account is made or signs in. */
export const familyProfiles: ProfilePort = {
  async create(tx, accountId, profile, now) {
    const at = new Date(now)
    await tx.parent.create({
      data: { id: accountId, displayName: profile.displayName, timezone: profile.timezone, settings: DEFAULT_SETTINGS as object, createdAt: at, updatedAt: at },
    })
  },
  async summary(tx, accountId) {
    const parent = await tx.parent.findUniqueOrThrow({
      where: { id: accountId },
      select: { displayName: true, children: { select: { id: true }, orderBy: { createdAt: 'asc' } } },
    })
    return { displayName: parent.displayName, childIds: parent.children.map((child) => child.id) }
  },
}
