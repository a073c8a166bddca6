import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const ORIGIN = 'https://app.brainspark.app'

describe('a web client of a configured origin', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ env: { CORS_ORIGINS: ORIGIN } })
  })
  afterAll(() => server.close())

  const preflight = (origin: string, method: string) =>
    server.app.inject({ method: 'OPTIONS', url: '/v1/parents/me', headers: { origin, 'access-control-request-method': method } })

  it.each(['GET', 'POST', 'PATCH', 'DELETE'])('may use %s', async (method) => {
    const { headers } = await preflight(ORIGIN, method)
    expect(headers['access-control-allow-origin']).toBe(ORIGIN)
    expect(String(headers['access-control-allow-methods']).split(/, ?/)).toContain(method)
  })

  it('is the only one: another origin is told nothing', async () => {
    expect((await preflight('https://evil.example', 'GET')).headers['access-control-allow-origin']).not.toBe('https://evil.example')
  })
})
