import { z } from 'zod'

const RequestMeta = z.object({ request_id: z.string() })

/** `{ data, meta }` of a single thing. */
export const Data = <S extends z.ZodType>(schema: S) => z.object({ data: schema, meta: RequestMeta })

/** `{ data, meta }` of a thing that holds a page of a list. */
export const Paged = <S extends z.ZodType>(schema: S) =>
  z.object({ data: schema, meta: RequestMeta.extend({ has_more: z.boolean(), cursor: z.string().nullable() }) })

/** `{ data, meta }` of a page of a list, newest first unless the route says otherwise. */
export const Page = <S extends z.ZodType>(schema: S) => Paged(z.array(schema))

/** `{ data, meta }` of a complete list. */
export const List = <S extends z.ZodType>(schema: S) => z.object({ data: z.array(schema), meta: RequestMeta.extend({ total: z.int() }) })

export const UuidParam = <K extends string>(name: K) => z.strictObject({ [name]: z.uuid().toLowerCase() } as Record<K, z.ZodUUID>)

/** RFC 3339 in UTC. */
export const Timestamp = z.iso.datetime()
export const LocalDateText = z.iso.date()

interface Requestlike {
  readonly id: string
}

export const data = <T>(request: Requestlike, value: T) => ({ data: value, meta: { request_id: request.id } })
export const list = <T>(request: Requestlike, values: T[]) => ({ data: values, meta: { request_id: request.id, total: values.length } })
export const page = <T>(request: Requestlike, value: T, cursor: string | null) => ({
  data: value,
  meta: { request_id: request.id, has_more: cursor !== null, cursor },
})
