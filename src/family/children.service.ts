import { hashSecret, verifySecret } from '../identity/passwords.ts'
import type { Revocations } from '../identity/revocations.ts'
import { openChildSession, revokeSessions } from '../identity/sessions.ts'
import { type Caller, CHILD_TOKEN_SECONDS, type Tokens } from '../identity/tokens.ts'
import { type Clock, MINUTE, SECOND } from '../platform/clock.ts'
import type { Database, Statement, Transaction } from '../platform/db/database.ts'
import type { Child } from '../platform/db/generated/client.ts'
import { AppError, invalidField } from '../platform/http/errors.ts'
import { type LocalDate, localDateAt } from '../platform/local-date.ts'
import { type AgeGroup, ageGroupOf, ageOn, OLDEST, YOUNGEST } from './age-groups.ts'

export const MAX_CHILDREN = 20
/** Streak freezes that every child begins with. */
const FIRST_FREEZES = 2
const PIN_TRIES = 5
const PIN_BLOCK_MS = 15 * MINUTE

/** Avatars every child may wear. */
export const FREE_AVATARS = ['bunny', 'owl', 'fox', 'bear', 'cat', 'dog', 'frog', 'lion', 'panda', 'turtle', 'dolphin', 'penguin'].map(
  (animal) => `avatar_${animal}`,
)

export interface ChildSettings {
  readonly sound_enabled?: boolean | undefined
  readonly voice_over_enabled?: boolean | undefined
  readonly daily_time_limit_minutes?: number | undefined
  readonly bedtime_start?: string | null | undefined
  readonly bedtime_end?: string | null | undefined
  readonly restricted_topics?: readonly string[] | undefined
}

export interface ChildChanges {
  readonly name?: string | undefined
  readonly birth_date?: LocalDate | undefined
  readonly avatar_id?: string | undefined
  readonly interests?: readonly string[] | undefined
  readonly settings?: ChildSettings | undefined
  readonly pin?: string | null | undefined
}

export interface NewChild extends ChildChanges {
  readonly name: string
  readonly birth_date: LocalDate
}

type FieldNames = (setting: keyof ChildSettings) => string
const inSettings: FieldNames = (setting) => `settings.${setting}`

export interface ChildProfile {
  readonly child: Child
  readonly birthDate: LocalDate
  readonly ageGroup: AgeGroup
}

export interface ChildrenDeps {
  readonly db: Database
  readonly clock: Clock
  readonly tokens: Tokens
  readonly revocations: Revocations
  /** Ids of every topic, for checking restrictions. */
  readonly knownTopics: ReadonlySet<string>
  /** Whether a child has bought an item of the shop. */
  readonly ownsItem: (tx: Transaction, childId: string, itemId: string) => Promise<boolean>
}

// One statement counts the failure or clears it, so that parallel guesses cannot slip past the limit.
const COUNT_PIN_TRY: Statement = {
  name: 'family.pin_try',
  text: `
    INSERT INTO pin_attempts AS p (session_id, child_id, failures, blocked_until) VALUES ($1, $2, 1, NULL)
    ON CONFLICT (session_id, child_id) DO UPDATE SET
      failures = CASE WHEN p.failures >= $5 THEN 1 ELSE p.failures + 1 END,
      blocked_until = CASE WHEN p.failures + 1 = $5 THEN $4::timestamptz ELSE NULL END
    WHERE p.blocked_until IS NULL OR p.blocked_until <= $3
    RETURNING failures`,
}

const GRANT: Statement = {
  name: 'family.grant',
  text: `
    UPDATE children SET granted_day = $2::date, last_grant_id = $4,
      granted_minutes = least(1440, CASE WHEN granted_day = $2::date THEN granted_minutes ELSE 0 END + CASE WHEN last_grant_id = $4 THEN 0 ELSE $3 END)
    WHERE id = $1 RETURNING granted_minutes`,
}

export function childrenService({ db, clock, tokens, revocations, knownTopics, ownsItem }: ChildrenDeps) {
  const profileOf = (child: Child, timezone: string): ChildProfile => {
    const birthDate = child.birthDate.toISOString().slice(0, 10)
    return { child, birthDate, ageGroup: ageGroupOf(ageOn(localDateAt(clock.now(), timezone), birthDate)) }
  }

  async function timezoneOf(client: Pick<Transaction, 'parent'>, parentId: string): Promise<string> {
    const parent = await client.parent.findUnique({ where: { id: parentId }, select: { timezone: true } })
    if (!parent) throw new AppError('UNAUTHORIZED')
    return parent.timezone
  }

  function checkBirthDate(birthDate: LocalDate, timezone: string): void {
    const age = ageOn(localDateAt(clock.now(), timezone), birthDate)
    if (age < YOUNGEST || age > OLDEST) throw invalidField('birth_date', `BrainSpark is for children of ${YOUNGEST} to ${OLDEST}`)
  }

  function checkSettings(changes: ChildChanges, named: FieldNames): void {
    const unknown = changes.settings?.restricted_topics?.find((id) => !knownTopics.has(id))
    if (unknown !== undefined) throw invalidField(named('restricted_topics'), 'Names a topic that does not exist')
  }

  /** A free avatar, or one the child has bought. */
  async function checkAvatar(tx: Transaction, childId: string, avatarId: string | undefined): Promise<void> {
    if (avatarId === undefined || FREE_AVATARS.includes(avatarId)) return
    if (!avatarId.startsWith('avatar_') || !(await ownsItem(tx, childId, avatarId))) throw invalidField('avatar_id', 'Not an avatar this child may wear')
  }

  /** Bedtime has a start and an end that differ, or neither, once the change is applied to what is there. */
  function checkBedtime({ settings }: ChildChanges, current: { bedtime_start: string | null; bedtime_end: string | null }, named: FieldNames): void {
    const { bedtime_start: start = current.bedtime_start, bedtime_end: end = current.bedtime_end } = settings ?? {}
    if ((start === null) !== (end === null)) {
      throw invalidField(named(start === null ? 'bedtime_start' : 'bedtime_end'), 'Bedtime needs a start and an end, or neither')
    }
    if (start !== null && start === end) throw invalidField(named('bedtime_end'), 'Must differ from the start')
  }

  return {
    /** A new child under `operationId`; a retry with the same id gives the child that is there. At most twenty a parent (422). */
    async create(parentId: string, operationId: string, input: NewChild): Promise<ChildProfile> {
      checkSettings(input, inSettings)
      checkBedtime(input, { bedtime_start: null, bedtime_end: null }, inSettings)
      const timezone = await timezoneOf(db.prisma, parentId)
      checkBirthDate(input.birth_date, timezone)
      const pinHash = input.pin ? await hashSecret(input.pin) : null
      const now = clock.now()
      const at = new Date(now)
      const child = await db.transaction(async (tx) => {
        await tx.$queryRaw`SELECT 1 FROM parents WHERE id = ${parentId}::uuid FOR UPDATE`
        const known = await tx.child.findUnique({ where: { id: operationId } })
        if (known) return known
        await checkAvatar(tx, operationId, input.avatar_id)
        if ((await tx.child.count({ where: { parentId } })) >= MAX_CHILDREN) {
          throw new AppError('UNPROCESSABLE_ENTITY', { message: `A family has at most ${MAX_CHILDREN} children here` })
        }
        return tx.child.create({
          data: {
            ...columns(input),
            id: operationId,
            parentId,
            name: input.name,
            birthDate: new Date(`${input.birth_date}T00:00:00Z`),
            avatarId: input.avatar_id ?? (FREE_AVATARS[0] as string),
            pinHash,
            createdAt: at,
            updatedAt: at,
            learner: { create: {} },
            freezeEntries: { create: { reason: 'start', amount: FIRST_FREEZES, day: new Date(localDateAt(now, timezone)), createdAt: at } },
            wallet: { create: {} },
          },
        })
      })
      return profileOf(child, timezone)
    },

    async get(childId: string, timezone: string): Promise<ChildProfile> {
      const child = await db.prisma.child.findUnique({ where: { id: childId } })
      if (!child) throw new AppError('CHILD_ACCESS_DENIED')
      return profileOf(child, timezone)
    },

    /** Changes what is named. A new or removed PIN ends the child's sessions. `named` is how a refusal calls a setting. */
    async update(childId: string, timezone: string, changes: ChildChanges, named: FieldNames = inSettings): Promise<ChildProfile> {
      checkSettings(changes, named)
      const pinHash = changes.pin ? await hashSecret(changes.pin) : null
      const now = clock.now()
      const child = await db.transaction(async (tx) => {
        const [current] = await tx.$queryRaw<{ bedtime_start: string | null; bedtime_end: string | null; birth_date: string }[]>`
          SELECT bedtime_start, bedtime_end, birth_date::text FROM children WHERE id = ${childId}::uuid FOR UPDATE`
        if (!current) throw new AppError('CHILD_ACCESS_DENIED')
        checkBedtime(changes, current, named)
        await checkAvatar(tx, childId, changes.avatar_id)
        if (changes.birth_date !== undefined && changes.birth_date !== current.birth_date) checkBirthDate(changes.birth_date, timezone)
        if (changes.settings?.restricted_topics !== undefined) await revocations.restrictChild(tx, childId)
        if (changes.pin !== undefined) {
          await revokeSessions(tx, revocations, { childId }, 'pin_changed', now)
          await tx.pinAttempt.deleteMany({ where: { childId } })
        }
        return tx.child.update({
          where: { id: childId },
          data: { ...columns(changes), ...(changes.pin !== undefined && { pinHash }), updatedAt: new Date(now) },
        })
      })
      return profileOf(child, timezone)
    },

    /** Adds minutes to the limit of today under `operationId`, once, a day's worth at most; the minutes granted today in all. */
    async grant(childId: string, operationId: string, today: LocalDate, minutes: number): Promise<number> {
      const [granted] = await db.query<{ granted_minutes: number }>(GRANT, [childId, today, minutes, operationId])
      if (!granted) throw new AppError('CHILD_ACCESS_DENIED')
      return granted.granted_minutes
    },

    /** Pauses learning, or lets it go on. */
    async pause(childId: string, isPaused: boolean): Promise<void> {
      const at = new Date(clock.now())
      const { count } = await db.prisma.child.updateMany({ where: { id: childId }, data: { pausedAt: isPaused ? at : null, updatedAt: at } })
      if (count === 0) throw new AppError('CHILD_ACCESS_DENIED')
    },

    /** A token that speaks for this child alone. 403 for a missing or wrong PIN, 429 for 15 minutes after five wrong ones. */
    async activate(caller: Caller, childId: string, pin: string | undefined, userAgent: string | undefined) {
      const now = clock.now()
      const child = await db.prisma.child.findUnique({ where: { id: childId } })
      if (!child) throw new AppError('CHILD_ACCESS_DENIED')
      if (child.pinHash !== null) await checkPin(caller.sessionId, child, pin, now)
      return db.transaction(async (tx) => {
        await requireUnchanged(tx, caller, child)
        const sessionId = await openChildSession(tx, caller.accountId, childId, userAgent, now)
        return { child, token: tokens.signChild({ sub: childId, parent: caller.accountId, sid: sessionId }), expiresInSeconds: CHILD_TOKEN_SECONDS }
      })
    },
  }

  /**
   * Locks the account and the child, in the order in which a password and a PIN are changed, and makes sure that neither
   * has changed since they were checked: a session opened now is either seen by the change that comes after, or not opened.
   */
  async function requireUnchanged(tx: Transaction, caller: Caller, checked: Child): Promise<void> {
    await tx.$queryRaw`SELECT 1 FROM accounts WHERE id = ${caller.accountId}::uuid FOR SHARE`
    const [child] = await tx.$queryRaw<{ pin_hash: string | null }[]>`SELECT pin_hash FROM children WHERE id = ${checked.id}::uuid FOR SHARE`
    if (!child) throw new AppError('CHILD_ACCESS_DENIED')
    if (child.pin_hash !== checked.pinHash) throw new AppError('FORBIDDEN', { message: 'The PIN has just been changed', reason: 'pin_wrong' })
    const session = await tx.session.findUnique({ where: { id: caller.sessionId }, select: { revokedAt: true } })
    if (!session || session.revokedAt) throw new AppError('UNAUTHORIZED')
  }

  async function checkPin(sessionId: string, child: Child, pin: string | undefined, now: number): Promise<void> {
    if (pin === undefined) throw new AppError('FORBIDDEN', { message: 'This child has a PIN', reason: 'pin_required' })
    const counted = await db.query(COUNT_PIN_TRY, [sessionId, child.id, new Date(now), new Date(now + PIN_BLOCK_MS), PIN_TRIES])
    if (counted.length === 0) {
      const attempt = await db.prisma.pinAttempt.findUnique({ where: { sessionId_childId: { sessionId, childId: child.id } } })
      const waitMs = (attempt?.blockedUntil?.getTime() ?? now) - now
      throw new AppError('RATE_LIMITED', { retryAfter: Math.max(1, Math.ceil(waitMs / SECOND)), message: 'Too many wrong PINs' })
    }
    if (!(await verifySecret(child.pinHash, pin))) throw new AppError('FORBIDDEN', { message: 'Wrong PIN', reason: 'pin_wrong' })
    await db.prisma.pinAttempt.deleteMany({ where: { sessionId, childId: child.id } })
  }
}
export type ChildrenService = ReturnType<typeof childrenService>

/** The columns a change touches. */
function columns(changes: ChildChanges) {
  const { settings } = changes
  return {
    ...(changes.name !== undefined && { name: changes.name }),
    ...(changes.birth_date !== undefined && { birthDate: new Date(`${changes.birth_date}T00:00:00Z`) }),
    ...(changes.avatar_id !== undefined && { avatarId: changes.avatar_id }),
    ...(changes.interests !== undefined && { interests: [...new Set(changes.interests)] }),
    ...(settings?.sound_enabled !== undefined && { soundEnabled: settings.sound_enabled }),
    ...(settings?.voice_over_enabled !== undefined && { voiceOverEnabled: settings.voice_over_enabled }),
    ...(settings?.daily_time_limit_minutes !== undefined && { dailyTimeLimitMinutes: settings.daily_time_limit_minutes }),
    ...(settings?.bedtime_start !== undefined && { bedtimeStart: settings.bedtime_start }),
    ...(settings?.bedtime_end !== undefined && { bedtimeEnd: settings.bedtime_end }),
    ...(settings?.restricted_topics !== undefined && { restrictedTopics: [...new Set(settings.restricted_topics)] }),
  }
}
