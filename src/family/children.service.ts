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

export function childrenService({ db, clock, tokens, revocations, knownTopics }: ChildrenDeps) {
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

  function checkSettings(changes: ChildChanges): void {
    const unknown = changes.settings?.restricted_topics?.find((id) => !knownTopics.has(id))
    if (unknown !== undefined) throw invalidField('settings.restricted_topics', 'Names a topic that does not exist')
    if (changes.avatar_id !== undefined && !FREE_AVATARS.includes(changes.avatar_id)) throw invalidField('avatar_id', 'Not an avatar this child may wear')
  }

  return {
    /** A new child under `operationId`; a retry with the same id gives the child that is there. At most twenty a parent (422). */
    async create(parentId: string, operationId: string, input: NewChild): Promise<ChildProfile> {
      checkSettings(input)
      const timezone = await timezoneOf(db.prisma, parentId)
      checkBirthDate(input.birth_date, timezone)
      const pinHash = input.pin ? await hashSecret(input.pin) : null
      const at = new Date(clock.now())
      const child = await db.transaction(async (tx) => {
        await tx.$queryRaw`SELECT 1 FROM parents WHERE id = ${parentId}::uuid FOR UPDATE`
        const known = await tx.child.findUnique({ where: { id: operationId } })
        if (known) return known
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

    /** Changes what is named. A new or removed PIN ends the child's sessions. */
    async update(childId: string, timezone: string, changes: ChildChanges): Promise<ChildProfile> {
      checkSettings(changes)
      if (changes.birth_date !== undefined) checkBirthDate(changes.birth_date, timezone)
      const pinHash = changes.pin ? await hashSecret(changes.pin) : null
      const now = clock.now()
      const child = await db.transaction(async (tx) => {
        const [current] = await tx.$queryRaw<{ bedtime_start: string | null; bedtime_end: string | null }[]>`
          SELECT bedtime_start, bedtime_end FROM children WHERE id = ${childId}::uuid FOR UPDATE`
        if (!current) throw new AppError('CHILD_ACCESS_DENIED')
        const { bedtime_start: start = current.bedtime_start, bedtime_end: end = current.bedtime_end } = changes.settings ?? {}
        if ((start === null) !== (end === null))
          throw invalidField(start === null ? 'settings.bedtime_start' : 'settings.bedtime_end', 'Bedtime needs a start and an end, or neither')
        if (start !== null && start === end) throw invalidField('settings.bedtime_end', 'Must differ from the start')
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

    /** Removes the child with everything that belongs to it, and ends its sessions. */
    async remove(childId: string): Promise<void> {
      await db.transaction(async (tx) => {
        await revokeSessions(tx, revocations, { childId }, 'child_deleted', clock.now())
        await tx.child.deleteMany({ where: { id: childId } })
      })
    },

    /** A token that speaks for this child alone. 403 for a missing or wrong PIN, 429 for 15 minutes after five wrong ones. */
    async activate(caller: Caller, childId: string, pin: string | undefined, userAgent: string | undefined) {
      const now = clock.now()
      const child = await db.prisma.child.findUnique({ where: { id: childId } })
      if (!child) throw new AppError('CHILD_ACCESS_DENIED')
      if (child.pinHash !== null) await checkPin(caller.sessionId, child, pin, now)
      return db.transaction(async (tx) => {
        const sessionId = await openChildSession(tx, caller.accountId, childId, userAgent, now)
        return { child, token: tokens.signChild({ sub: childId, parent: caller.accountId, sid: sessionId }), expiresInSeconds: CHILD_TOKEN_SECONDS }
      })
    },
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
