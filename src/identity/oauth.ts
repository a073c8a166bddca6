import { createHash } from 'node:crypto'
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import type { OauthProviderConfig } from '../config.ts'
import type { Clock } from '../platform/clock.ts'
import { AppError } from '../platform/http/errors.ts'

export const OAUTH_PROVIDERS = ['google', 'apple'] as const
export type OauthProvider = (typeof OAUTH_PROVIDERS)[number]

export interface OauthIdentity {
  readonly provider: OauthProvider
  readonly subject: string
  readonly email: string | undefined
  readonly emailVerified: boolean
  readonly name: string | undefined
}

export interface OauthVerifier {
  /**
   * Verifies an id_token: signature against the provider's JWKS, issuer, audience, expiry, and the nonce when the token
   * has one (plain, or its SHA-256 in hex as mobile SDKs send it). Throws UNAUTHORIZED, TOKEN_EXPIRED, 422 when the
   * provider is not configured, 503 when its keys cannot be fetched.
   */
  verify(provider: OauthProvider, idToken: string, nonce: string | undefined): Promise<OauthIdentity>
}

const JWKS_TIMEOUT_MS = 5_000
const CLOCK_TOLERANCE_SECONDS = 30

export function oauthVerifier(providers: Readonly<Record<OauthProvider, OauthProviderConfig>>, clock: Clock): OauthVerifier {
  const keySets = new Map(
    OAUTH_PROVIDERS.map((provider) => [provider, createRemoteJWKSet(new URL(providers[provider].jwksUrl), { timeoutDuration: JWKS_TIMEOUT_MS })]),
  )
  return {
    async verify(provider, idToken, nonce) {
      const { clientIds, issuer } = providers[provider]
      const keySet = keySets.get(provider)
      if (clientIds.length === 0 || !keySet)
        throw new AppError('UNPROCESSABLE_ENTITY', { message: `Signing in with ${provider} is not configured on this server` })
      const payload = await verifiedPayload(() =>
        jwtVerify(idToken, keySet, {
          issuer: provider === 'google' ? [issuer, issuer.replace(/^https:\/\//, '')] : issuer,
          audience: [...clientIds],
          algorithms: ['RS256', 'ES256'],
          currentDate: new Date(clock.now()),
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          requiredClaims: ['sub', 'exp', 'iat'],
        }),
      )
      if (!nonceMatches(payload.nonce, nonce)) throw new AppError('UNAUTHORIZED', { message: 'The nonce of the id_token does not match' })
      const { email, email_verified: verified, name } = payload
      return {
        provider,
        subject: payload.sub as string,
        email: typeof email === 'string' ? email : undefined,
        emailVerified: verified === true || verified === 'true',
        name: typeof name === 'string' ? name : undefined,
      }
    },
  }
}

async function verifiedPayload(verify: () => Promise<{ payload: JWTPayload }>): Promise<JWTPayload> {
  try {
    return (await verify()).payload
  } catch (cause) {
    if (cause instanceof errors.JWTExpired) throw new AppError('TOKEN_EXPIRED', { message: 'The id_token has expired' })
    const invalid = [
      errors.JWTInvalid,
      errors.JWTClaimValidationFailed,
      errors.JWSInvalid,
      errors.JWSSignatureVerificationFailed,
      errors.JOSEAlgNotAllowed,
      errors.JOSENotSupported,
      errors.JWKSNoMatchingKey,
      errors.JWKSMultipleMatchingKeys,
    ]
    if (invalid.some((type) => cause instanceof type)) throw new AppError('UNAUTHORIZED', { message: 'The id_token is not valid' })
    throw new AppError('SERVICE_UNAVAILABLE', { retryAfter: 5, cause })
  }
}

function nonceMatches(claimed: unknown, given: string | undefined): boolean {
  if (claimed === undefined && given === undefined) return true
  if (typeof claimed !== 'string' || given === undefined) return false
  return claimed === given || claimed === createHash('sha256').update(given).digest('hex')
}
