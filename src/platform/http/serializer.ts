import fastJson from 'fast-json-stringify'
import type { FastifySerializerCompiler } from 'fastify/types/schema.js'
import { z } from 'zod'

const compiled = new WeakMap<object, (value: unknown) => string>()

/** A fast-json-stringify serializer of a zod schema: writes only what the schema lists, checks nothing. */
export function serializerOf(schema: z.ZodType): (value: unknown) => string {
  let serialize = compiled.get(schema)
  if (!serialize) {
    serialize = fastJson(toJsonSchema(schema) as Parameters<typeof fastJson>[0])
    compiled.set(schema, serialize)
  }
  return serialize
}

interface JsonSchemaNode {
  type?: string
  format?: string
  pattern?: unknown
  default?: unknown
  anyOf?: JsonSchemaNode[]
  additionalProperties?: unknown
  nullable?: boolean
  $schema?: string
}

function toJsonSchema(schema: z.ZodType): object {
  const jsonSchema = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'output',
    unrepresentable: 'any',
    metadata: z.registry(),
    override: ({ zodSchema, jsonSchema: output }) => {
      const node = output as JsonSchemaNode
      delete node.pattern
      delete node.default
      delete node.additionalProperties
      if (zodSchema._zod.def.type === 'record') node.additionalProperties = true
      if (node.format && node.format !== 'date-time') delete node.format
      collapseNullable(node)
    },
  })
  delete (jsonSchema as JsonSchemaNode).$schema
  return jsonSchema
}

/** `anyOf: [X, null]` makes fast-json-stringify validate every value; X with `nullable` does not. */
function collapseNullable(node: JsonSchemaNode): void {
  const [first, second] = node.anyOf ?? []
  if (!first || node.anyOf?.length !== 2 || second?.type !== 'null' || first.anyOf) return
  delete node.anyOf
  Object.assign(node, first, { nullable: true })
}

/** For production. Tests use zod's own serializer, which also refuses a response that breaks its schema. */
export const fastSerializerCompiler: FastifySerializerCompiler<z.ZodType | { properties: z.ZodType }> = ({ schema }) =>
  serializerOf(schema instanceof z.ZodType ? schema : schema.properties)
