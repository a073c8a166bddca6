import { z } from 'zod'
import { Timestamp } from '../platform/http/envelope.ts'
import { NO_CONTROL_CHARACTERS } from '../platform/http/text.ts'
import { isTimeZone } from '../platform/local-date.ts'

export const MAX_PASSWORD = 128
export const Email = z.email('Invalid email format').max(254).meta({ description: 'Compared without regard to case' })
export const Password = z.string().min(8, 'At least 8 characters').max(MAX_PASSWORD, 'At most 128 characters')
/** What is shown of a person; control characters have no place in a name. */
export const DisplayName = z.string().trim().min(1).max(80).regex(NO_CONTROL_CHARACTERS, 'Must not contain control characters')
export const TimeZone = z.string().max(64).refine(isTimeZone, 'Unknown IANA time zone')
const Token = z.string().min(1).max(512)
const Agreed = z.literal(true, 'Must be agreed to')
export const Consents = z.strictObject({ terms: Agreed, privacy: Agreed, coppa: Agreed })

export const RegisterBody = z.strictObject({ email: Email, password: Password, display_name: DisplayName, timezone: TimeZone, consents: Consents }).meta({
  example: {
    email: 'parent@example.com',
    password: 'SecureP@ss123',
    display_name: 'Alex Parent',
    timezone: 'America/New_York',
    consents: { terms: true, privacy: true, coppa: true },
  },
})
export const LoginBody = z
  .strictObject({ email: z.string().min(1).max(254), password: z.string().min(1).max(MAX_PASSWORD) })
  .meta({ example: { email: 'parent@example.com', password: 'SecureP@ss123' } })
export const OauthBody = z.strictObject({
  id_token: z.string().min(1).max(8192),
  nonce: z.string().min(1).max(256).optional().meta({ description: 'The nonce given to the provider, plain' }),
  consents: Consents.optional().meta({ description: 'Required for a new account' }),
  display_name: DisplayName.optional(),
  timezone: TimeZone.optional(),
})
export const RefreshBody = z.strictObject({
  refresh_token: Token,
  rotate: z.boolean().default(false).meta({ description: 'Ask for a new refresh token; the old one works for 60 s more' }),
})
export const ChangePasswordBody = z.strictObject({
  current_password: z.string().max(MAX_PASSWORD).optional().meta({ description: 'Required when the account has a password' }),
  new_password: Password,
})
export const ForgotPasswordBody = z.strictObject({ email: z.string().min(1).max(254) })
export const ResetPasswordBody = z.strictObject({ token: Token, password: Password })
export const VerifyEmailBody = z.strictObject({ token: Token })

export const TokenPairView = z
  .object({ access_token: z.string(), refresh_token: z.string(), expires_in: z.int().meta({ description: 'Seconds' }) })
  .meta({ id: 'TokenPair', example: { access_token: 'eyJhbGciOiJSUzI1NiIs...', refresh_token: 'dGhpcyBpcyBhIHJlZnJl...', expires_in: 86_400 } })
export const SignedInView = z.object({
  parent: z
    .object({ id: z.uuid(), email: z.string(), display_name: z.string(), children_count: z.int(), email_verified: z.boolean(), created_at: Timestamp })
    .meta({
      id: 'SignedInParent',
      example: {
        id: '550e8400-e29b-41d4-a716-446655440000',
        email: 'parent@example.com',
        display_name: 'Alex Parent',
        children_count: 2,
        email_verified: true,
        created_at: '2024-12-15T10:30:00Z',
      },
    }),
  tokens: TokenPairView,
})
export const RefreshView = z.object({ access_token: z.string(), expires_in: z.int(), refresh_token: z.string().optional() })
export const SessionView = z
  .object({
    id: z.uuid(),
    type: z.enum(['parent', 'child']),
    child_id: z.uuid().nullable(),
    user_agent: z.string().nullable(),
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
    current: z.boolean(),
  })
  .meta({
    id: 'Session',
    example: {
      id: '3f0c1c6e-6c9b-4d0e-9a63-0d7f6f9f2a11',
      type: 'parent',
      child_id: null,
      user_agent: 'BrainSpark/1.0 (iOS)',
      created_at: '2024-12-15T10:30:00Z',
      last_used_at: '2024-12-16T08:00:00Z',
      expires_at: '2025-06-13T10:30:00Z',
      current: true,
    },
  })
