import type { OpenAPIV3 } from 'openapi-types'
import { z } from 'zod'
import type { TypedApp } from '../../src/platform/http/typed-app.ts'

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
export type Method = (typeof METHODS)[number]

export interface Described {
  readonly method: Method
  /** With the parameters in braces, "/v1/children/{child_id}". */
  readonly path: string
  readonly operation: OpenAPIV3.OperationObject
}

/** The OpenAPI document the app generates from its routes. */
export const documentOf = (app: TypedApp): OpenAPIV3.Document => app.swagger() as OpenAPIV3.Document

export function operationsOf(document: OpenAPIV3.Document): Described[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item?.[method]
      return operation ? [{ method, path, operation }] : []
    }),
  )
}

/** What a $ref of the document points at; undefined when it points nowhere. */
export function resolveReference(document: OpenAPIV3.Document, reference: string): unknown {
  if (!reference.startsWith('#/')) return undefined
  return reference
    .slice(2)
    .split('/')
    .map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((node, key) => (node instanceof Object ? (node as Record<string, unknown>)[key] : undefined), document)
}

/** Every $ref of the document with the place it stands at. */
export function referencesOf(node: unknown, place = '#'): { place: string; reference: string }[] {
  if (!(node instanceof Object)) return []
  const { $ref } = node as { $ref?: unknown }
  const here = typeof $ref === 'string' ? [{ place, reference: $ref }] : []
  return [...here, ...Object.entries(node).flatMap(([key, child]) => referencesOf(child, `${place}/${key}`))]
}

/** A part of the document with what its $refs point at put in their place; one that points nowhere throws. */
export function inlined<T>(document: OpenAPIV3.Document, node: T): T {
  if (!(node instanceof Object)) return node
  const { $ref } = node as { $ref?: unknown }
  if (typeof $ref === 'string') {
    const target = resolveReference(document, $ref)
    if (target === undefined) throw new Error(`${$ref} points nowhere`)
    return inlined(document, target) as T
  }
  if (Array.isArray(node)) return node.map((child) => inlined(document, child)) as T
  return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, inlined(document, child)])) as T
}

/** What is wrong with a body by the schema the document gives for it; an empty list when nothing is. */
export function faultsOf(document: OpenAPIV3.Document, schema: OpenAPIV3.SchemaObject | OpenAPIV3.ReferenceObject, body: unknown): string[] {
  const whole = inlined(document, schema) as Parameters<typeof z.fromJSONSchema>[0]
  const parsed = z.fromJSONSchema(whole, { defaultTarget: 'openapi-3.0' }).safeParse(body)
  return parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
}

/** Every route of the app as "get /v1/children/{child_id}", from the router itself; HEAD and OPTIONS are left out. */
export function registeredRoutes(app: TypedApp): string[] {
  const routes: string[] = []
  const prefixes: string[] = []
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent, segment, verbs] = /^((?:│ {3}| {4})*)[├└]── (\S*)(?: \(([A-Z, ]+)\))?/.exec(line) ?? []
    if (indent === undefined || segment === undefined) continue
    const depth = indent.length / 4
    const url = `${depth > 0 ? prefixes[depth - 1] : ''}${segment}`
    prefixes[depth] = url
    const template = url.replace(/:(\w+)/g, '{$1}')
    for (const verb of verbs?.split(', ') ?? []) if (verb !== 'HEAD' && verb !== 'OPTIONS') routes.push(`${verb.toLowerCase()} ${template}`)
  }
  return routes
}
