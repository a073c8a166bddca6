import { createHash, createPrivateKey, createPublicKey, type JsonWebKey } from 'node:crypto'
import type { JWT } from '@fastify/jwt'
import { type Clock, DAY, SECOND } from '../platform/clock.ts'
import { AppError } from '../platform/http/errors.ts'
import type { Revocations } from './revocations.ts'

export const ISSUER = 'brainspark.app'
/** Lifetimes in seconds. */
export const PARENT_TOKEN_SECONDS = DAY / SECOND
export const CHILD_TOKEN_SECONDS = (30 * DAY) / SECOND

/** Section 2.2 of the learning contract, and the session. */
export interface ParentClaims {
  readonly sub: string
  readonly email: string
  readonly type: 'parent'
  /** A hint for clients; access is decided from the database. */
  readonly children: readonly string[]
  readonly sid: string
}

/** Speaks for one child; `parent` is the account it belongs to. */
export interface ChildClaims {
  readonly sub: string
  readonly type: 'child'
  readonly parent: string
  readonly sid: string
}

type Claims = (ParentClaims | ChildClaims) & { readonly iat: number; readonly exp: number; readonly iss: string }

/** Who is asking, as far as the token tells. */
export interface Caller {
  readonly sessionId: string
  readonly accountId: string
  /** Set when a child token was shown. */
  readonly childId: string | undefined
  readonly expiresAt: number
}

export interface Tokens {
  signParent(claims: Omit<ParentClaims, 'type'>): string
  signChild(claims: Omit<ChildClaims, 'type'>): string
  /** The caller of a bearer token. Throws TOKEN_EXPIRED or UNAUTHORIZED; makes no query. */
  authenticate(authorization: string | undefined): Caller
}

export interface SigningKey {
  readonly privatePem: string
  readonly publicPem: string
  readonly jwk: JsonWebKey & { kid: string; use: 'sig'; alg: 'RS256' }
}

/** The public half and the key id (RFC 7638 thumbprint) of an RSA private key. Throws for any other key. */
export function signingKey(privatePem: string): SigningKey {
  const privateKey = createPrivateKey(privatePem)
  if (privateKey.asymmetricKeyType !== 'rsa') throw new Error('JWT_PRIVATE_KEY must be an RSA key')
  const publicKey = createPublicKey(privateKey)
  const { kty, n, e } = publicKey.export({ format: 'jwk' })
  const kid = createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('base64url')
  return { privatePem, publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), jwk: { kty, n, e, kid, use: 'sig', alg: 'RS256' } }
}

export function tokensOf(jwt: JWT, clock: Clock, revocations: Revocations): Tokens {
  const sign = (claims: ParentClaims | ChildClaims, lifetimeSeconds: number) => {
    const iat = Math.floor(clock.now() / SECOND)
    return jwt.sign({ ...claims, iat, exp: iat + lifetimeSeconds, iss: ISSUER })
  }
  return {
    signParent: (claims) => sign({ ...claims, type: 'parent' }, PARENT_TOKEN_SECONDS),
    signChild: (claims) => sign({ ...claims, type: 'child' }, CHILD_TOKEN_SECONDS),
    authenticate(authorization) {
      const [, token] = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '') ?? []
      if (!token) throw new AppError('UNAUTHORIZED')
      const claims = verified(jwt, token)
      if (claims.exp * SECOND <= clock.now()) throw new AppError('TOKEN_EXPIRED')
      if (revocations.isRevoked(claims.sid)) throw new AppError('UNAUTHORIZED')
      const isChild = claims.type === 'child'
      return {
        sessionId: claims.sid,
        accountId: isChild ? claims.parent : claims.sub,
        childId: isChild ? claims.sub : undefined,
        expiresAt: claims.exp * SECOND,
      }
    },
  }
}

function verified(jwt: JWT, token: string): Claims {
  try {
    return jwt.verify<Claims>(token)
  } catch (cause) {
    throw new AppError('UNAUTHORIZED', { cause })
  }
}
