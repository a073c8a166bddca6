import { type Clock, DAY, HOUR } from '../platform/clock.ts'
import { type CryptoBox, sha256 } from '../platform/crypto-box.ts'
import { type Database, type Transaction, violatedUnique } from '../platform/db/database.ts'
import { AppError, invalidField } from '../platform/http/errors.ts'
import { type RateLimits, tooManyRequests } from '../platform/http/rate-limits.ts'
import { newId, newSecret } from '../platform/ids.ts'
import type { Mailer } from '../platform/mail/mailer.ts'
import { resetMail, verificationMail } from './auth.mails.ts'
import { loginThrottle } from './login-throttle.ts'
import type { OauthIdentity, OauthProvider, OauthVerifier } from './oauth.ts'
import { hashSecret, isCommonPassword, verifySecret } from './passwords.ts'
import type { Revocations } from './revocations.ts'
import { issueRefreshToken, openSession, REFRESH_SLIDING_MS, ROTATION_GRACE_MS, revokeSessions } from './sessions.ts'
import { PARENT_TOKEN_SECONDS, type Tokens } from './tokens.ts'

/** The versions of the documents that a consent given now refers to. */
export const CONSENT_VERSIONS = { terms: '2024-12-15', privacy: '2024-12-15', coppa: '2024-12-15' } as const
const VERIFY_LINK_MS = 2 * DAY
const RESET_LINK_MS = HOUR

/** What identity asks of the house above it: the profile that belongs to an account. */
export interface ProfilePort {
  create(tx: Transaction, accountId: string, profile: { displayName: string; timezone: string }, now: number): Promise<void>
  summary(tx: Pick<Transaction, 'parent'>, accountId: string): Promise<{ displayName: string; childIds: string[] }>
}

export interface AuthDeps {
  readonly db: Database
  readonly clock: Clock
  readonly tokens: Tokens
  readonly revocations: Revocations
  readonly oauth: OauthVerifier
  readonly mailer: Mailer
  readonly box: CryptoBox
  readonly limits: RateLimits
  readonly profiles: ProfilePort
  readonly publicUrl: string
  readonly onMailError: (error: unknown) => void
}

export interface TokenPair {
  readonly access_token: string
  readonly refresh_token: string
  readonly expires_in: number
}

export interface SignedIn {
  readonly parent: { id: string; email: string; display_name: string; children_count: number; created_at: Date; email_verified: boolean }
  readonly tokens: TokenPair
}

export interface Registration {
  readonly email: string
  readonly password: string
  readonly display_name: string
  readonly timezone: string
}

export const emailKey = (email: string): string => email.trim().toLowerCase()

type AccountRow = { id: string; email: string; createdAt: Date; emailVerifiedAt: Date | null }

/** Accounts and the ways into them. Every method that changes something does it in one transaction. */
export function authService(deps: AuthDeps) {
  const { db, clock, tokens, revocations, profiles, box } = deps
  const throttle = loginThrottle(db)
  const throttleKey = (email: string) => box.fingerprint(`login:${emailKey(email)}`)

  async function signIn(tx: Transaction, account: AccountRow, userAgent: string | undefined, now: number): Promise<SignedIn> {
    const session = await openSession(tx, account.id, userAgent, now)
    const profile = await profiles.summary(tx, account.id)
    return {
      parent: {
        id: account.id,
        email: account.email,
        display_name: profile.displayName,
        children_count: profile.childIds.length,
        created_at: account.createdAt,
        email_verified: account.emailVerifiedAt !== null,
      },
      tokens: {
        access_token: tokens.signParent({ sub: account.id, email: account.email, children: profile.childIds, sid: session.sessionId }),
        refresh_token: session.refreshToken,
        expires_in: PARENT_TOKEN_SECONDS,
      },
    }
  }

  async function createAccount(
    tx: Transaction,
    account: { id: string; email: string; passwordHash: string | null; emailVerifiedAt: Date | null },
    profile: { displayName: string; timezone: string },
    source: string,
    now: number,
  ): Promise<AccountRow> {
    const at = new Date(now)
    const row = await tx.account.create({ data: { ...account, emailKey: emailKey(account.email), createdAt: at, updatedAt: at } })
    await tx.consent.createMany({
      data: Object.entries(CONSENT_VERSIONS).map(([document, version]) => ({ id: newId(), accountId: row.id, document, version, source, acceptedAt: at })),
    })
    await profiles.create(tx, row.id, profile, now)
    return row
  }

  /** Stores a one-time link and mails it once the transaction has committed. Mail that fails is logged, not thrown. */
  async function mailLink(tx: Transaction, account: { id: string; email: string }, purpose: 'verify' | 'reset', now: number): Promise<void> {
    const token = newSecret()
    const lifetimeMs = purpose === 'verify' ? VERIFY_LINK_MS : RESET_LINK_MS
    await tx.emailLink.create({
      data: {
        tokenHash: new Uint8Array(sha256(token)),
        accountId: account.id,
        purpose,
        emailKey: emailKey(account.email),
        expiresAt: new Date(now + lifetimeMs),
      },
    })
    const mail = purpose === 'verify' ? verificationMail(deps.publicUrl, token) : resetMail(token)
    tx.afterCommit(() => {
      void deps.mailer.send({ to: account.email, ...mail }).catch(deps.onMailError)
    })
  }

  /** Marks a link as used and returns its account; 422 for one that is unknown, used, expired or of another address. */
  async function useLink(tx: Transaction, token: string, purpose: 'verify' | 'reset', now: number): Promise<AccountRow> {
    const tokenHash = new Uint8Array(sha256(token))
    const used = await tx.emailLink.updateMany({
      where: { tokenHash, purpose, usedAt: null, expiresAt: { gt: new Date(now) } },
      data: { usedAt: new Date(now) },
    })
    const link = used.count === 1 ? await tx.emailLink.findUnique({ where: { tokenHash }, include: { account: true } }) : null
    if (!link || link.account.emailKey !== link.emailKey)
      throw new AppError('UNPROCESSABLE_ENTITY', { message: 'This link is unknown, used or expired. Ask for a new one.' })
    return link.account
  }

  /** Made-up refresh tokens are counted by address; there is no session to count them by. */
  async function refuseUnknownToken(ip: string): Promise<AppError> {
    const limit = await deps.limits.takeAddress(ip)
    return limit.exceeded ? tooManyRequests(limit, clock) : new AppError('UNAUTHORIZED', { message: 'Unknown refresh token' })
  }

  function refuseWeak(password: string, email: string, field: string): void {
    if (isCommonPassword(password)) throw invalidField(field, 'This password is too common')
    if (password.toLowerCase() === emailKey(email)) throw invalidField(field, 'The password must not be the e-mail address')
  }

  return {
    /** A new account under `operationId`, signed in. 409 when the e-mail is taken. Retrying with the same id signs in again. */
    async register(operationId: string, input: Registration, userAgent: string | undefined): Promise<SignedIn> {
      refuseWeak(input.password, input.email, 'password')
      const passwordHash = await hashSecret(input.password)
      const now = clock.now()
      try {
        return await db.transaction(async (tx) => {
          const known = await tx.account.findUnique({ where: { id: operationId } })
          if (known) return signIn(tx, known, userAgent, now)
          const account = await createAccount(
            tx,
            { id: operationId, email: input.email, passwordHash, emailVerifiedAt: null },
            { displayName: input.display_name, timezone: input.timezone },
            'register',
            now,
          )
          await mailLink(tx, account, 'verify', now)
          return signIn(tx, account, userAgent, now)
        })
      } catch (error) {
        if (violatedUnique(error)) throw new AppError('CONFLICT', { message: 'An account with this e-mail exists already' })
        throw error
      }
    },

    /** 401 alike, and after as long, for an unknown e-mail and a wrong password. */
    async login(email: string, password: string, userAgent: string | undefined): Promise<SignedIn> {
      const now = clock.now()
      const key = throttleKey(email)
      await throttle.take(key, now)
      const account = await db.prisma.account.findUnique({ where: { emailKey: emailKey(email) } })
      if (!(await verifySecret(account?.passwordHash, password)) || !account) throw new AppError('UNAUTHORIZED', { message: 'Invalid e-mail or password' })
      await throttle.clear(key)
      return db.transaction(async (tx) => {
        if (!(await isStillPassword(tx, account))) throw new AppError('UNAUTHORIZED', { message: 'Invalid e-mail or password' })
        return signIn(tx, account, userAgent, now)
      })
    },

    /** Signs in with a provider's identity: `created` tells whether the account is new. */
    async loginWithProvider(
      provider: OauthProvider,
      input: { idToken: string; nonce: string | undefined; consented: boolean; displayName: string | undefined; timezone: string | undefined },
      userAgent: string | undefined,
    ): Promise<SignedIn & { created: boolean }> {
      const identity = await deps.oauth.verify(provider, input.idToken, input.nonce)
      const now = clock.now()
      const attempt = () =>
        db.transaction(async (tx) => {
          const linked = await tx.oauthIdentity.findUnique({
            where: { provider_subject: { provider, subject: identity.subject } },
            include: { account: true },
          })
          if (linked) return { ...(await signIn(tx, linked.account, userAgent, now)), created: false }
          const existing = identity.email ? await tx.account.findUnique({ where: { emailKey: emailKey(identity.email) } }) : null
          if (existing) return { ...(await linkAccount(tx, existing, identity, userAgent, now)), created: false }
          return { ...(await createFromProvider(tx, identity, input, userAgent, now)), created: true }
        })
      try {
        return await attempt()
      } catch (error) {
        if (violatedUnique(error)) return attempt()
        throw error
      }
    },

    /**
     * A new access token. With `rotate` a new refresh token comes too and the old one works for a minute more; showing
     * it later ends the session, since one of its two holders is a thief.
     */
    async refresh(
      refreshToken: string,
      rotate: boolean,
      ip: string,
    ): Promise<{ access_token: string; expires_in: number; refresh_token?: string; limit: Awaited<ReturnType<RateLimits['take']>> }> {
      const now = clock.now()
      const tokenHash = new Uint8Array(sha256(refreshToken))
      const found = await db.prisma.refreshToken.findUnique({ where: { tokenHash }, include: { session: { include: { account: true } } } })
      if (!found) throw await refuseUnknownToken(ip)
      const { session } = found
      const limit = await deps.limits.take('refresh', session.id)
      if (limit.exceeded) throw tooManyRequests(limit, clock)
      if (session.revokedAt) throw new AppError('UNAUTHORIZED', { message: 'The session has ended' })
      if (found.supersededAt && found.supersededAt.getTime() + ROTATION_GRACE_MS <= now) {
        await db.transaction((tx) => revokeSessions(tx, revocations, { id: session.id }, 'refresh_token_reused', now))
        throw new AppError('UNAUTHORIZED', { message: 'The session has ended' })
      }
      if (found.expiresAt.getTime() <= now || session.expiresAt.getTime() <= now)
        throw new AppError('TOKEN_EXPIRED', { message: 'The refresh token has expired' })
      const latest = session.expiresAt.getTime()
      return db.transaction(async (tx) => {
        const alive = await tx.session.updateMany({ where: { id: session.id, revokedAt: null }, data: { lastUsedAt: new Date(now) } })
        if (alive.count === 0) throw new AppError('UNAUTHORIZED', { message: 'The session has ended' })
        let rotated: string | undefined
        if (rotate) {
          rotated = await issueRefreshToken(tx, session.id, now, latest)
          await tx.refreshToken.updateMany({ where: { tokenHash, supersededAt: null }, data: { supersededAt: new Date(now) } })
        } else {
          await tx.refreshToken.updateMany({
            where: { tokenHash, supersededAt: null },
            data: { expiresAt: new Date(Math.min(now + REFRESH_SLIDING_MS, latest)) },
          })
        }
        const { childIds } = await profiles.summary(tx, session.accountId)
        return {
          access_token: tokens.signParent({ sub: session.accountId, email: session.account.email, children: childIds, sid: session.id }),
          expires_in: PARENT_TOKEN_SECONDS,
          ...(rotated && { refresh_token: rotated }),
          limit,
        }
      })
    },

    async logout(sessionId: string): Promise<void> {
      await db.transaction((tx) => revokeSessions(tx, revocations, { id: sessionId }, 'logout', clock.now()))
    },

    /** Ends every other session of the account, the children's too. 403 when the current password is wrong. */
    async changePassword(caller: { accountId: string; sessionId: string }, current: string | undefined, next: string): Promise<void> {
      const account = await requireAccount(caller.accountId)
      const key = throttleKey(account.email)
      const now = clock.now()
      if (account.passwordHash !== null) {
        await throttle.take(key, now)
        if (!(await verifySecret(account.passwordHash, current ?? ''))) throw new AppError('FORBIDDEN', { message: 'The current password is wrong' })
        await throttle.clear(key)
      }
      refuseWeak(next, account.email, 'new_password')
      const passwordHash = await hashSecret(next)
      await db.transaction(async (tx) => {
        if (!(await isStillPassword(tx, account))) throw new AppError('FORBIDDEN', { message: 'The password has just been changed' })
        await tx.account.update({ where: { id: account.id }, data: { passwordHash, updatedAt: new Date(now) } })
        await revokeSessions(tx, revocations, { accountId: account.id, not: caller.sessionId }, 'password_changed', now)
      })
    },

    /** Mails a reset link if the account exists. Answers alike, and does the slow part after answering. */
    async forgotPassword(email: string): Promise<void> {
      const account = await db.prisma.account.findUnique({ where: { emailKey: emailKey(email) } })
      if (account) await db.transaction((tx) => mailLink(tx, account, 'reset', clock.now()))
    },

    /** Sets a new password by a mailed link, which also proves the address: every session ends, and identities linked before the proof go. */
    async resetPassword(token: string, password: string): Promise<void> {
      if (isCommonPassword(password)) throw invalidField('password', 'This password is too common')
      const passwordHash = await hashSecret(password)
      const now = clock.now()
      await db.transaction(async (tx) => {
        const account = await useLink(tx, token, 'reset', now)
        refuseWeak(password, account.email, 'password')
        if (!account.emailVerifiedAt) await tx.oauthIdentity.deleteMany({ where: { accountId: account.id } })
        await tx.account.update({
          where: { id: account.id },
          data: { passwordHash, emailVerifiedAt: account.emailVerifiedAt ?? new Date(now), updatedAt: new Date(now) },
        })
        await tx.emailLink.updateMany({ where: { accountId: account.id, purpose: 'reset', usedAt: null }, data: { usedAt: new Date(now) } })
        await revokeSessions(tx, revocations, { accountId: account.id }, 'password_reset', now)
        tx.afterCommit(() => throttle.clear(throttleKey(account.email)))
      })
    },

    /** Verifies the address a link was sent to. Returns the account's id. */
    async verifyEmail(token: string): Promise<string> {
      const now = clock.now()
      return db.transaction(async (tx) => {
        // Mail scanners open links before people do: a link that has done its work says so again.
        const opened = await tx.emailLink.findUnique({ where: { tokenHash: new Uint8Array(sha256(token)) }, include: { account: true } })
        const isDone = opened?.purpose === 'verify' && opened.usedAt !== null && opened.expiresAt.getTime() > now
        if (isDone && opened.account.emailVerifiedAt && opened.account.emailKey === opened.emailKey) return opened.accountId
        const account = await useLink(tx, token, 'verify', now)
        await tx.account.update({ where: { id: account.id }, data: { emailVerifiedAt: account.emailVerifiedAt ?? new Date(now) } })
        return account.id
      })
    },

    /** Mails another verification link; 409 when the address is verified already. */
    async resendVerification(accountId: string): Promise<void> {
      const account = await requireAccount(accountId)
      if (account.emailVerifiedAt) throw new AppError('CONFLICT', { message: 'The e-mail address is verified already' })
      await db.transaction((tx) => mailLink(tx, account, 'verify', clock.now()))
    },

    /** Sessions that can still be used, most recently used first. */
    async listSessions(accountId: string) {
      const later = { gt: new Date(clock.now()) }
      const usable = [{ childId: { not: null } }, { refreshTokens: { some: { expiresAt: later } } }]
      return db.prisma.session.findMany({ where: { accountId, revokedAt: null, expiresAt: later, OR: usable }, orderBy: { lastUsedAt: 'desc' } })
    },

    /** Ends one session of the account (404 if it has no such living session), or all but the caller's. */
    async endSessions(caller: { accountId: string; sessionId: string }, sessionId?: string): Promise<void> {
      const which = sessionId ? { id: sessionId, accountId: caller.accountId } : { accountId: caller.accountId, not: caller.sessionId }
      const ended = await db.transaction((tx) => revokeSessions(tx, revocations, which, 'logout', clock.now()))
      if (sessionId && ended === 0) throw new AppError('NOT_FOUND')
    },
  }

  /** Locks the account and tells whether its password is the one that was checked: a change ends only the sessions it sees. */
  async function isStillPassword(tx: Transaction, checked: { id: string; passwordHash: string | null }): Promise<boolean> {
    const [current] = await tx.$queryRaw<{ password_hash: string | null }[]>`SELECT password_hash FROM accounts WHERE id = ${checked.id}::uuid FOR UPDATE`
    return current !== undefined && current.password_hash === checked.passwordHash
  }

  async function requireAccount(accountId: string) {
    const account = await db.prisma.account.findUnique({ where: { id: accountId } })
    if (!account) throw new AppError('UNAUTHORIZED')
    return account
  }

  /** Links a provider to an account whose address it proves. Whoever made an unverified account first is shut out. */
  async function linkAccount(tx: Transaction, account: AccountRow, identity: OauthIdentity, userAgent: string | undefined, now: number): Promise<SignedIn> {
    if (!identity.emailVerified) {
      throw new AppError('CONFLICT', { message: 'An account with this e-mail exists; the provider has not verified the address, so it cannot be linked' })
    }
    await tx.oauthIdentity.create({ data: { provider: identity.provider, subject: identity.subject, accountId: account.id, linkedAt: new Date(now) } })
    if (!account.emailVerifiedAt) {
      await tx.oauthIdentity.deleteMany({ where: { accountId: account.id, NOT: { provider: identity.provider, subject: identity.subject } } })
      await tx.account.update({ where: { id: account.id }, data: { passwordHash: null, emailVerifiedAt: new Date(now), updatedAt: new Date(now) } })
      await revokeSessions(tx, revocations, { accountId: account.id }, 'oauth_linked', now)
    }
    return signIn(tx, { ...account, emailVerifiedAt: account.emailVerifiedAt ?? new Date(now) }, userAgent, now)
  }

  async function createFromProvider(
    tx: Transaction,
    identity: OauthIdentity,
    input: { consented: boolean; displayName: string | undefined; timezone: string | undefined },
    userAgent: string | undefined,
    now: number,
  ): Promise<SignedIn> {
    if (!identity.email) throw new AppError('UNPROCESSABLE_ENTITY', { message: 'The provider gave no e-mail address; share it to create an account' })
    if (!input.consented) throw invalidField('consents', 'A new account needs all three consents')
    const account = await createAccount(
      tx,
      { id: newId(), email: identity.email, passwordHash: null, emailVerifiedAt: identity.emailVerified ? new Date(now) : null },
      { displayName: input.displayName ?? displayNameFrom(identity.name), timezone: input.timezone ?? 'UTC' },
      `oauth:${identity.provider}`,
      now,
    )
    await tx.oauthIdentity.create({ data: { provider: identity.provider, subject: identity.subject, accountId: account.id, linkedAt: new Date(now) } })
    if (!identity.emailVerified) await mailLink(tx, account, 'verify', now)
    return signIn(tx, account, userAgent, now)
  }
}

/** What a provider calls somebody, as far as it can be shown: no control characters, at most 80 characters, never empty. */
function displayNameFrom(name: string | undefined): string {
  const shown = (name ?? '').replace(/\p{Cc}/gu, ' ').trim()
  return [...shown].slice(0, 80).join('').trim() || 'Parent'
}

export type AuthService = ReturnType<typeof authService>
