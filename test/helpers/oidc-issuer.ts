import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import type { Clock } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'

export interface MintOptions {
  /** Replaces the claims of the same name; undefined leaves one out. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Signs with a key that is not in the key set, under the key id of one that is. */
  readonly foreignKey?: boolean
  readonly kid?: string
}

/** A stand-in for Google or Apple: serves its keys on the loopback and signs id_tokens. */
export interface OidcIssuer {
  readonly issuer: string
  readonly jwksUrl: string
  readonly clientId: string
  /** The public key in PEM form, for algorithm confusion. */
  readonly publicPem: string
  /** A token with a subject and a verified e-mail of its own, issued now for an hour. */
  mint(options?: MintOptions): Promise<string>
  close(): Promise<void>
}

export interface OidcIssuerOptions {
  readonly issuer: string
  readonly clientId: string
  readonly algorithm?: 'RS256' | 'ES256'
  /** Status of the answer at the address of the keys. */
  readonly status?: number
}

export async function startOidcIssuer(clock: Clock, { issuer, clientId, algorithm = 'RS256', status = 200 }: OidcIssuerOptions): Promise<OidcIssuer> {
  const [own, foreign] = await Promise.all([generateKeyPair(algorithm, { extractable: true }), generateKeyPair(algorithm)])
  const kid = newId()
  const keySet = JSON.stringify({ keys: [{ ...(await exportJWK(own.publicKey)), kid, alg: algorithm, use: 'sig' }] })
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(status === 200 ? keySet : '{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    issuer,
    clientId,
    jwksUrl: `http://127.0.0.1:${port}/keys`,
    publicPem: await exportSPKI(own.publicKey),
    mint({ claims = {}, foreignKey = false, kid: givenKid = kid } = {}) {
      const iat = Math.floor(clock.now() / 1000)
      const standard = { iss: issuer, aud: clientId, sub: newId(), email: `${newId()}@example.com`, email_verified: true, iat, exp: iat + 3600 }
      return new SignJWT({ ...standard, ...claims } as JWTPayload)
        .setProtectedHeader({ alg: algorithm, kid: givenKid })
        .sign(foreignKey ? foreign.privateKey : own.privateKey)
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
