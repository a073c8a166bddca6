import type { InjectOptions } from 'fastify'
import type { TypedApp } from '../../src/platform/http/typed-app.ts'
import { relieved } from './pressure.ts'

export interface ApiRequest {
  /** Access token or child token, without "Bearer". */
  readonly token?: string | undefined
  /** Sent as X-Child-ID. */
  readonly child?: string | undefined
  /** Sent as Idempotency-Key. */
  readonly key?: string | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly ip?: string
}

export interface ApiResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>
  // biome-ignore lint/suspicious/noExplicitAny: bodies are checked by what each test expects of them
  readonly body: any
  readonly text: string
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT'

/** Requests through the whole app: hooks, validation, serialization, error renderer. */
export interface Api {
  get(path: string, request?: ApiRequest): Promise<ApiResponse>
  post(path: string, request?: ApiRequest): Promise<ApiResponse>
  patch(path: string, request?: ApiRequest): Promise<ApiResponse>
  delete(path: string, request?: ApiRequest): Promise<ApiResponse>
  send(method: Method, path: string, request?: ApiRequest): Promise<ApiResponse>
}

/** `waitsForRelief`: sends nothing while the app sheds load, which a busy machine makes it do for reasons that no test is about. */
export function apiOf(app: TypedApp, waitsForRelief = true): Api {
  const send = async (method: Method, path: string, { token, child, key, body, headers, ip }: ApiRequest = {}): Promise<ApiResponse> => {
    if (waitsForRelief && app.isUnderPressure?.()) await relieved(app)
    const options: InjectOptions = {
      method,
      url: path,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(child !== undefined && { 'x-child-id': child }),
        ...(key !== undefined && { 'idempotency-key': key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(ip !== undefined && { remoteAddress: ip }),
    }
    const response = await app.inject(options)
    const isJson = String(response.headers['content-type'] ?? '').includes('application/json') && response.payload !== ''
    return { status: response.statusCode, headers: response.headers, text: response.payload, body: isJson ? JSON.parse(response.payload) : undefined }
  }
  return {
    send,
    get: (path, request) => send('GET', path, request),
    post: (path, request) => send('POST', path, request),
    patch: (path, request) => send('PATCH', path, request),
    delete: (path, request) => send('DELETE', path, request),
  }
}
