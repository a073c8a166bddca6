import { z } from 'zod'
import { type Clock, isoSeconds } from '../platform/clock.ts'
import { Data, data, List, list, UuidParam } from '../platform/http/envelope.ts'
import { applyLimit } from '../platform/http/rate-limits.ts'
import type { TypedApp } from '../platform/http/typed-app.ts'
import {
  ChangePasswordBody,
  ForgotPasswordBody,
  LoginBody,
  OauthBody,
  RefreshBody,
  RefreshView,
  RegisterBody,
  ResetPasswordBody,
  SessionView,
  SignedInView,
  VerifyEmailBody,
} from './auth.schemas.ts'
import type { AuthService, SignedIn } from './auth.service.ts'
import { OAUTH_PROVIDERS } from './oauth.ts'
import type { SigningKey } from './tokens.ts'

const tags = ['Authentication']
const toSignedInView = ({ parent, tokens }: SignedIn) => ({ parent: { ...parent, created_at: isoSeconds(parent.created_at) }, tokens })
const Nothing = z.undefined().meta({ description: 'Done, without a body' })

/** Section 2 of the learning contract and what DESIGN adds to it. */
export function registerAuthRoutes(app: TypedApp, auth: AuthService, clock: Clock): void {
  app.post(
    '/auth/register',
    {
      config: { actor: 'public', limit: 'authentication', errors: ['CONFLICT'] },
      schema: {
        tags,
        summary: 'Register a parent account',
        description:
          'Creates the account, records the consents with their versions and mails a verification link. The e-mail address counts without regard to case.',
        body: RegisterBody,
        response: { 201: Data(SignedInView) },
      },
    },
    async (request, reply) => {
      const signedIn = await auth.register(request.operationId, request.body, request.headers['user-agent'])
      return reply.status(201).send(data(request, toSignedInView(signedIn)))
    },
  )

  app.post(
    '/auth/login',
    {
      config: { actor: 'public', limit: 'authentication', errors: ['UNAUTHORIZED'] },
      schema: {
        tags,
        summary: 'Log in',
        description:
          'An unknown e-mail and a wrong password answer alike. After ten failures of an account in 15 minutes it takes one attempt every 30 seconds.',
        body: LoginBody,
        response: { 200: Data(SignedInView) },
      },
    },
    async (request) => data(request, toSignedInView(await auth.login(request.body.email, request.body.password, request.headers['user-agent']))),
  )

  app.post(
    '/auth/oauth/:provider',
    {
      config: { actor: 'public', limit: 'authentication', errors: ['UNAUTHORIZED', 'TOKEN_EXPIRED', 'CONFLICT', 'UNPROCESSABLE_ENTITY'] },
      schema: {
        tags,
        summary: 'Log in with Google or Apple',
        description:
          'Verifies the id_token (signature, issuer, audience, expiry, nonce). 201 for a new account, 200 for a known one. An existing account is linked only when the provider has verified its e-mail address (else 409); ' +
          'if that address was never verified here, its password and sessions are dropped first.',
        params: z.strictObject({ provider: z.enum(OAUTH_PROVIDERS) }),
        body: OauthBody,
        response: { 200: Data(SignedInView), 201: Data(SignedInView) },
      },
    },
    async (request, reply) => {
      const { id_token, nonce, consents, display_name, timezone } = request.body
      const input = { idToken: id_token, nonce, consented: consents !== undefined, displayName: display_name, timezone }
      const { created, ...signedIn } = await auth.loginWithProvider(request.params.provider, input, request.headers['user-agent'])
      return reply.status(created ? 201 : 200).send(data(request, toSignedInView(signedIn)))
    },
  )

  app.post(
    '/auth/refresh',
    {
      config: { actor: 'public', limit: 'refresh', errors: ['UNAUTHORIZED', 'TOKEN_EXPIRED'] },
      schema: {
        tags,
        summary: 'Get a new access token',
        description:
          'The refresh token lasts 30 days from its last use and 180 days at most. It stays the same unless `rotate` is set; a rotated token shown again after 60 s ends the session.',
        body: RefreshBody,
        response: { 200: Data(RefreshView) },
      },
    },
    async (request, reply) => {
      const { limit, ...refreshed } = await auth.refresh(request.body.refresh_token, request.body.rotate, request.ip)
      applyLimit(reply, limit, clock)
      return data(request, refreshed)
    },
  )

  app.post(
    '/auth/logout',
    {
      config: { actor: 'parent', limit: 'general' },
      schema: {
        tags,
        summary: 'Log out',
        description: 'Ends this session: its tokens and sockets are refused at once, on every instance.',
        response: { 204: Nothing },
      },
    },
    async (request, reply) => {
      await auth.logout(request.caller.sessionId)
      return reply.status(204).send(undefined)
    },
  )

  app.post(
    '/auth/password',
    {
      config: { actor: 'parent', limit: 'general', errors: ['FORBIDDEN'] },
      schema: {
        tags,
        summary: 'Change the password',
        description: "Ends every other session of the account, the children's too.",
        body: ChangePasswordBody,
        response: { 204: Nothing },
      },
    },
    async (request, reply) => {
      await auth.changePassword(request.caller, request.body.current_password, request.body.new_password)
      return reply.status(204).send(undefined)
    },
  )

  app.post(
    '/auth/password/forgot',
    {
      config: { actor: 'public', limit: 'authentication' },
      schema: {
        tags,
        summary: 'Ask for a password reset link',
        description: 'Always answers 202, whether or not the account exists.',
        body: ForgotPasswordBody,
        response: { 202: Nothing },
      },
    },
    async (request, reply) => {
      void auth
        .forgotPassword(request.body.email)
        .catch((error: unknown) => request.log.error({ code: (error as { code?: string }).code }, 'password reset failed'))
      return reply.status(202).send(undefined)
    },
  )

  app.post(
    '/auth/password/reset',
    {
      config: { actor: 'public', limit: 'authentication', errors: ['UNPROCESSABLE_ENTITY'] },
      schema: {
        tags,
        summary: 'Set a new password with a mailed link',
        description: 'The link works once, for an hour. Ends every session of the account.',
        body: ResetPasswordBody,
        response: { 204: Nothing },
      },
    },
    async (request, reply) => {
      await auth.resetPassword(request.body.token, request.body.password)
      return reply.status(204).send(undefined)
    },
  )

  app.post(
    '/auth/email/verify',
    {
      config: { actor: 'public', limit: 'authentication', errors: ['UNPROCESSABLE_ENTITY'] },
      schema: { tags, summary: 'Verify the e-mail address with a mailed link', body: VerifyEmailBody, response: { 204: Nothing } },
    },
    async (request, reply) => {
      await auth.verifyEmail(request.body.token)
      return reply.status(204).send(undefined)
    },
  )

  app.get(
    '/auth/email/verify',
    {
      exposeHeadRoute: false,
      config: { actor: 'public', limit: 'general', errors: ['UNPROCESSABLE_ENTITY'] },
      schema: { tags, summary: 'The link in the verification mail', querystring: VerifyEmailBody, produces: ['text/plain'], response: { 200: z.string() } },
    },
    async (request, reply) => {
      await auth.verifyEmail(request.query.token)
      return reply.type('text/plain; charset=utf-8').send('Thank you! Your e-mail address is confirmed. You can close this page.\n')
    },
  )

  app.post(
    '/auth/email/resend',
    {
      config: { actor: 'parent', limit: 'authentication', errors: ['CONFLICT'] },
      schema: { tags, summary: 'Mail another verification link', response: { 202: Nothing } },
    },
    async (request, reply) => {
      await auth.resendVerification(request.caller.accountId)
      return reply.status(202).send(undefined)
    },
  )

  app.get(
    '/auth/sessions',
    {
      config: { actor: 'parent', limit: 'general' },
      schema: {
        tags,
        summary: 'List the living sessions',
        description: "Parents' and children's sessions of the account, most recently used first.",
        response: { 200: List(SessionView) },
      },
    },
    async (request) => {
      const sessions = await auth.listSessions(request.caller.accountId)
      return list(
        request,
        sessions.map((session) => ({
          id: session.id,
          type: session.childId ? ('child' as const) : ('parent' as const),
          child_id: session.childId,
          user_agent: session.userAgent,
          created_at: isoSeconds(session.createdAt),
          last_used_at: isoSeconds(session.lastUsedAt),
          expires_at: isoSeconds(session.expiresAt),
          current: session.id === request.caller.sessionId,
        })),
      )
    },
  )

  app.delete(
    '/auth/sessions',
    { config: { actor: 'parent', limit: 'general' }, schema: { tags, summary: 'End all sessions but this one', response: { 204: Nothing } } },
    async (request, reply) => {
      await auth.endSessions(request.caller)
      return reply.status(204).send(undefined)
    },
  )

  app.delete(
    '/auth/sessions/:session_id',
    {
      config: { actor: 'parent', limit: 'general', errors: ['NOT_FOUND'] },
      schema: { tags, summary: 'End one session', params: UuidParam('session_id'), response: { 204: Nothing } },
    },
    async (request, reply) => {
      await auth.endSessions(request.caller, request.params.session_id)
      return reply.status(204).send(undefined)
    },
  )
}

const JwkSet = z.object({ keys: z.array(z.object({ kty: z.string(), n: z.string(), e: z.string(), kid: z.string(), use: z.string(), alg: z.string() })) })

/** The public key for checking our tokens. */
export function registerJwksRoute(app: TypedApp, key: SigningKey): void {
  const { kty = '', n = '', e = '', kid, use, alg } = key.jwk
  app.get(
    '/.well-known/jwks.json',
    { config: { actor: 'public', limit: 'none' }, schema: { tags, summary: 'Public keys of the tokens (RFC 7517)', response: { 200: JwkSet } } },
    async (_request, reply) => reply.header('cache-control', 'public, max-age=3600').send({ keys: [{ kty, n, e, kid, use, alg }] }),
  )
}
