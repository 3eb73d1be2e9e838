// Generated from openapi/openapi.yaml by `npm run generate`. Do not edit.
export interface paths {
    "/api/{user_id}/tasks": {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        /**
         * List tasks
         * @description One page of the user's tasks, completed ones included unless `completed` filters them, deleted ones only with `deleted=true`. Follow `next_cursor`
         *     (or the `Link` header with `rel="next"`) until it is null. Pages are cut by key, not by position: a task
         *     that exists, with an unchanged sort key, for as long as the paging lasts is seen exactly once, whatever others write meanwhile.
         */
        get: operations["listTasks"];
        put?: never;
        /**
         * Create a task
         * @description The server makes the `id` (a UUID, version 7) unless the client sends one of its own. A client that chooses the id can
         *     repeat the request safely, for the second one is 409; one that sends an `Idempotency-Key` gets the first answer again.
         */
        post: operations["createTask"];
        /**
         * Delete all completed tasks, or all open ones
         * @description Deletes the tasks that the filter selects, at most 5,000 of them at a time, and says how many there were; call it again while
         *     `has_more`. They are in the trash then. Without the filter it is 400: nothing deletes a whole list by accident.
         */
        delete: operations["deleteTasks"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/{user_id}/tasks/batch": {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Do several writes at once
         * @description Up to 100 writes in one transaction, one after another: all of them are done, or none. Each item is what the operation of its
         *     name would be, and later items see what earlier ones did. An item that fails ends it: the problem is that item's, and
         *     `index` says which it is. One `Idempotency-Key` covers the whole; the response may then have at most 256 KiB (409
         *     `quota_exceeded`), so split a batch of many large tasks. The body may have 1 MiB. Each item counts as a request against the
         *     rate limit.
         */
        post: operations["batchTasks"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/{user_id}/tasks/{id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
                /** @description The task's id, in upper or lower case. */
                id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        /**
         * Get a task
         * @description The task as it is now; 304 with `If-None-Match` where the caller has that one already.
         */
        get: operations["getTask"];
        /**
         * Replace a task
         * @description Takes every field that a client may write, all of them required, so that nothing is wiped by leaving it out. A
         *     replacement that equals what is stored changes nothing: same `revision`, same timestamps.
         */
        put: operations["replaceTask"];
        post?: never;
        /**
         * Delete a task
         * @description Afterwards the task is 404, and in the trash, from where restoreTask brings it back. Its `id` stays taken until it is purged.
         */
        delete: operations["deleteTask"];
        options?: never;
        head?: never;
        /**
         * Update a task
         * @description A JSON merge patch (RFC 7396), under its own media type or as plain JSON: a field that is absent is kept, `null` clears.
         *     A patch that changes nothing leaves `revision` and timestamps as they are.
         */
        patch: operations["updateTask"];
        trace?: never;
    };
    "/api/{user_id}/tasks/{id}/complete": {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
                /** @description The task's id, in upper or lower case. */
                id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Mark a task completed or open
         * @description Without a body it toggles. With `{"completed": true}` or `{"completed": false}` it sets, which is safe to repeat:
         *     setting what already holds changes nothing, neither `revision` nor timestamps.
         */
        patch: operations["completeTask"];
        trace?: never;
    };
    "/api/{user_id}/tasks/{id}/restore": {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
                /** @description The task's id, in upper or lower case. */
                id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Restore a deleted task
         * @description Brings a task back from the trash, as it was when it was deleted, with a new `revision`. A task that is not deleted is
         *     returned as it is. 404 for one that was deleted too long ago.
         */
        post: operations["restoreTask"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/{user_id}/changes": {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        /**
         * List what has changed
         * @description Every task that has changed since the position of a token, once, as it is now, in the order of revisions; a deleted one
         *     without its content. Nothing is left out: a token's position has no gaps that are filled later. Without `since` it
         *     is a snapshot of all live tasks, which ends in a token, too.
         *
         *     Keep `next` and send it as `since` the next time, at once while `has_more`. Repeating a token is harmless. A client's own
         *     writes are among the changes. A token that is too old to tell all deletions since is 410: start again without `since`
         *     and forget what the snapshot does not have.
         */
        get: operations["listChanges"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/{user_id}": {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Erase a user
         * @description Deletes everything that is stored for the user, for good: tasks, trash, idempotency keys and counters, at most 5,000 tasks
         *     and 5,000 keys at a time. Call it again while `has_more`; repeating it is harmless. Nothing can be restored. Sync tokens from
         *     before are 410 afterwards, so that other clients of the user start anew. The user may write again at any time.
         */
        delete: operations["eraseUser"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * Can the service do its work
         * @description Whether the service can write to its database, found out by writing to it. For load balancers.
         */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/live": {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path?: never;
            cookie?: never;
        };
        /**
         * Is the process alive
         * @description Answers as long as the process can answer at all. It never touches the database. For restarting what hangs.
         */
        get: operations["getLiveness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        UserId: string;
        /** Format: uuid */
        TaskIdInput: string;
        EntityTags: string;
        /** @description A position among the changes of one user; opaque. */
        SyncToken: string;
        RequestId: string;
        /** @description What is to be done. Stored exactly as sent. */
        TitleInput: string;
        /** @description More about it, or null. Stored exactly as sent. */
        DescriptionInput: string | null;
        /** @description What is to be done. Tasks from before control characters were refused may have some. */
        Title: string;
        /** @description More about it, or null. Tasks from before control characters were refused may have some. */
        Description: string | null;
        /**
         * Format: date-time
         * @description RFC 3339, UTC, with milliseconds.
         */
        Timestamp: string;
        /**
         * Format: date-time
         * @description RFC 3339, UTC, with milliseconds; or null.
         */
        NullableTimestamp: string | null;
        /** @description A task as it is stored. */
        Task: {
            id: components["schemas"]["TaskId"];
            user_id: components["schemas"]["UserId"];
            title: components["schemas"]["Title"];
            description: components["schemas"]["Description"];
            /** @description Whether it is done. */
            completed: boolean;
            completed_at: components["schemas"]["NullableTimestamp"];
            created_at: components["schemas"]["Timestamp"];
            updated_at: components["schemas"]["Timestamp"];
            deleted_at: components["schemas"]["NullableTimestamp"];
            revision: components["schemas"]["Revision"];
        };
        /** @description A page of tasks. */
        TaskPage: {
            /** @description The tasks of this page, in order. */
            data: components["schemas"]["Task"][];
            /** @description Send it as `cursor` for the next page; null on the last one. */
            next_cursor: string | null;
        };
        /** @description What deleteTasks did. */
        Deletion: {
            /**
             * Format: int32
             * @description How many tasks were deleted.
             */
            deleted: number;
            /** @description Whether there may be more; if so, call it again. */
            has_more: boolean;
        };
        /** @description What eraseUser did. */
        Erasure: {
            /**
             * Format: int32
             * @description How many tasks were deleted, those in the trash included.
             */
            deleted: number;
            /** @description Whether there may be more to delete; if so, call it again. */
            has_more: boolean;
        };
        /** @description Changes, and where to go on. */
        ChangePage: {
            /** @description The changed tasks, in the order of their revisions. */
            data: components["schemas"]["Change"][];
            next: components["schemas"]["SyncToken"];
            /** @description Whether there are more changes at the moment. */
            has_more: boolean;
        };
        /** @description A task that was created, changed, deleted or restored. */
        Change: {
            id: components["schemas"]["TaskId"];
            revision: components["schemas"]["Revision"];
            /** @description Whether the task is deleted. */
            deleted: boolean;
            /** @description The task as it is now; null where it is deleted. */
            task: components["schemas"]["Task"] | null;
        };
        /**
         * Format: uuid
         * @description In lower case. Version 7 where the server made it.
         */
        TaskId: string;
        /**
         * Format: int64
         * @description The number of the write, among all writes of this user, that made the task what it is. Every write takes the next number.
         */
        Revision: number;
        /** @description A task to create. */
        TaskCreate: {
            id?: components["schemas"]["TaskIdInput"];
            title: components["schemas"]["TitleInput"];
            description?: components["schemas"]["DescriptionInput"];
            /**
             * @description Whether it is done already.
             * @default false
             */
            completed: boolean;
        };
        /** @description Every field that a client may write. */
        TaskReplace: {
            title: components["schemas"]["TitleInput"];
            description: components["schemas"]["DescriptionInput"];
            /** @description Whether it is done. */
            completed: boolean;
        };
        /** @description The fields to change. */
        TaskUpdate: {
            title?: components["schemas"]["TitleInput"];
            description?: components["schemas"]["DescriptionInput"];
            /** @description Whether it is done. */
            completed?: boolean;
        };
        /** @description Writes to be done together. */
        Batch: {
            /** @description The writes, in the order in which they are done. */
            items: components["schemas"]["BatchItem"][];
        };
        /** @description One write; `action` says which. */
        BatchItem: components["schemas"]["BatchCreate"] | components["schemas"]["BatchUpdate"] | components["schemas"]["BatchComplete"] | components["schemas"]["BatchDelete"];
        /** @description As createTask. */
        BatchCreate: {
            /**
             * @description Which write it is. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            action: "create";
            task: components["schemas"]["TaskCreate"];
        };
        /** @description As updateTask. */
        BatchUpdate: {
            /**
             * @description Which write it is. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            action: "update";
            id: components["schemas"]["TaskIdInput"];
            revision?: components["schemas"]["ExpectedRevision"];
            changes: components["schemas"]["TaskUpdate"];
        };
        /** @description As completeTask; without `completed` it toggles. */
        BatchComplete: {
            /**
             * @description Which write it is. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            action: "complete";
            id: components["schemas"]["TaskIdInput"];
            revision?: components["schemas"]["ExpectedRevision"];
            /** @description What it shall be. */
            completed?: boolean;
        };
        /** @description As deleteTask. */
        BatchDelete: {
            /**
             * @description Which write it is. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            action: "delete";
            id: components["schemas"]["TaskIdInput"];
            revision?: components["schemas"]["ExpectedRevision"];
        };
        /**
         * Format: int64
         * @description Only if the task is at this revision, as `If-Match` has it; 412 otherwise.
         */
        ExpectedRevision: number;
        /** @description What a batch did. */
        BatchResult: {
            /** @description One result for each item, in the same order. */
            data: components["schemas"]["BatchItemResult"][];
        };
        /** @description What one item did. */
        BatchItemResult: {
            id: components["schemas"]["TaskId"];
            /** @description The task after this item; null where the item deleted it. */
            task: components["schemas"]["Task"] | null;
        };
        /** @description What the task shall be. */
        TaskCompletion: {
            /** @description Whether it is done. */
            completed: boolean;
        };
        /** @description The answer of a healthy service. */
        Health: {
            /**
             * @description Always `ok`; anything else is a problem with another status.
             * @enum {string}
             */
            status: "ok";
        };
        /** @description An error (RFC 9457). */
        Problem: {
            /**
             * Format: uri-reference
             * @description Names the kind of problem; `/problems/` and the code.
             */
            type: string;
            /** @description The kind of problem in a few words; the same for every occurrence. */
            title: string;
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description What is wrong with this request and what to do about it, for people. */
            detail: string;
            /**
             * Format: uri-reference
             * @description This occurrence; `/requests/` and the request's id.
             */
            instance: string;
            code: components["schemas"]["ProblemCode"];
            /**
             * Format: int32
             * @description Which item of a batch it is about, counted from 0; only where an item of batchTasks failed.
             */
            index?: number;
            /** @description Every broken rule, with `validation_failed` only; where there are more than 100, the first 100 of them, and `detail` says so. */
            errors?: components["schemas"]["ValidationError"][];
        };
        /**
         * @description The kind of problem, for programs. Codes are never renamed.
         * @enum {string}
         */
        ProblemCode: "validation_failed" | "malformed_json" | "malformed_request" | "unauthenticated" | "forbidden" | "route_not_found" | "task_not_found" | "method_not_allowed" | "not_acceptable" | "request_timeout" | "id_taken" | "id_in_trash" | "quota_exceeded" | "idempotency_key_in_use" | "idempotency_key_reused" | "sync_token_expired" | "precondition_failed" | "content_too_large" | "unsupported_media_type" | "misdirected_request" | "rate_limited" | "headers_too_large" | "internal_error" | "database_unavailable" | "overloaded" | "stopping" | "keys_unavailable";
        /** @description One broken rule. */
        ValidationError: {
            /**
             * @description The part of the request that breaks it.
             * @enum {string}
             */
            in: "path" | "query" | "header" | "body";
            /** @description Where in the body (a JSON pointer, RFC 6901; cut after 256 characters); with `body` only. */
            pointer?: string;
            /** @description Which parameter (cut after 256 characters); with `path`, `query` and `header`. */
            name?: string;
            /**
             * @description Which rule, for programs.
             * @enum {string}
             */
            code: "required" | "unknown" | "repeated" | "wrong_type" | "too_short" | "too_long" | "too_small" | "too_large" | "not_a_choice" | "wrong_format" | "malformed_text" | "unexpected_body";
            /** @description What to change, for people. */
            detail: string;
        };
    };
    responses: {
        /** @description The whole task as it is stored. */
        Task: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                ETag: components["headers"]["ETag"];
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Task"];
            };
        };
        /** @description The task is the one that the caller has. No content. */
        NotModified: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                ETag: components["headers"]["ETag"];
                [name: string]: unknown;
            };
            content?: never;
        };
        /** @description The request breaks a rule of this contract. `errors` names every broken rule, where there is a place to name. */
        BadRequest: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request has no token, or none that is valid. */
        Unauthenticated: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The token is another user's than the one in the path, whatever that one has or has not. */
        Forbidden: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The user has no task with this id, or has deleted it; for restoreTask, not even in the trash. */
        TaskNotFound: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The `Accept` header leaves out what this operation returns. */
        NotAcceptable: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request did not arrive whole in time. */
        RequestTimeout: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description The user has, or had and deleted, a task with this `id`, or has as many tasks or bytes of kept responses as the quota
         *     allows, or a request with the same `Idempotency-Key` is still in progress. Nothing was written. With `id_in_trash` restoreTask brings that
         *     task back; a deleted task's `id` is free again once the task is purged.
         */
        Conflict: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                /** @description After how many seconds to try again; with `idempotency_key_in_use` only. */
                "Retry-After"?: number;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description A request with the same `Idempotency-Key` is still in progress: try again to get its response. Or a quota is exceeded.
         *     Nothing was written.
         */
        KeyInUse: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                /** @description After how many seconds to try again; with `idempotency_key_in_use` only. */
                "Retry-After"?: number;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The user has used this `Idempotency-Key` for another request, of another operation, path, query, condition or body. Nothing was written. */
        KeyReused: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The task is not at the revision that the request is meant for. Nothing was changed; `ETag` is the task's current one. */
        PreconditionFailed: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                ETag: components["headers"]["ETag"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is larger than 64 KiB; for batchTasks 1 MiB. */
        ContentTooLarge: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body's media type or content coding is not one that this operation takes. */
        UnsupportedMediaType: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                Accept: components["headers"]["Accept"];
                "Accept-Patch": components["headers"]["Accept-Patch"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description The request names a host other than this machine, and the server has no authentication: it serves its own machine only,
         *     and no page that a browser takes for part of it (DNS rebinding). The request was not processed.
         */
        Misdirected: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The user made too many requests in this minute, or the address too many without a valid token. Nothing was done. */
        TooManyRequests: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request line and headers are larger than 16 KiB. */
        HeadersTooLarge: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description A bug of this service. The log tells more under the request's id. */
        InternalError: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `database_unavailable`: the database is away, busy or takes no writes; a write that is answered so may or may not have
         *     been done. With `overloaded`, `keys_unavailable` and `stopping` nothing was done.
         */
        Unavailable: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                RateLimit: components["headers"]["RateLimit"];
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: {
        /** @description Whose tasks. */
        UserId: components["schemas"]["UserId"];
        /** @description The task's id, in upper or lower case. */
        TaskId: components["schemas"]["TaskIdInput"];
        /**
         * @description Only if the task's `ETag` is one of these (RFC 9110, 13.1.1), else 412; `*` is any. Comparison is strong: a weak tag
         *     (`W/"1"`) never matches. Without the header the last writer wins.
         */
        IfMatch: components["schemas"]["EntityTags"];
        /** @description Only if the task's `ETag` is none of these (RFC 9110, 13.1.2); `*` is any. Else a read is answered 304, and a write 412. */
        IfNoneMatch: components["schemas"]["EntityTags"];
        /**
         * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07). The first answer is kept, with the write itself, and is
         *     the answer to every repetition, with `Idempotent-Replayed: true`; it is kept for 24 hours unless the operator configures
         *     otherwise. Any text of 1 to 255 printable ASCII characters that the user has not used for another request, in quotes or, where it has no space, without;
         *     a UUID is a good one. Validation errors (400 and the like), an exceeded quota, an exceeded rate limit and errors of the server
         *     (5xx) are not kept: the request may be sent again with the same key.
         */
        IdempotencyKey: string;
        /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
        RequestId: components["schemas"]["RequestId"];
    };
    requestBodies: never;
    headers: {
        /** @description The id of this request, as sent or as made by the server. The logs carry it too. */
        "X-Request-Id": components["schemas"]["RequestId"];
        /** @description The task's `revision`, quoted, as a strong entity tag. */
        ETag: string;
        /** @description The answer is that of an earlier request with the same `Idempotency-Key`. Absent where it is not. */
        "Idempotent-Replayed": "true";
        /** @description After how many seconds to try again. */
        "Retry-After": number;
        /**
         * @description The limit that counts (draft-ietf-httpapi-ratelimit-headers): `q` requests in `w` seconds, for each user or, without a valid
         *     token, each address. Each replica counts for itself. Absent where no limit is set.
         */
        "RateLimit-Policy": string;
        /** @description Where that limit stands; `r` requests are left for the next `t` seconds. Absent where no limit is set. */
        RateLimit: string;
        /** @description The challenge (RFC 6750); with `error="invalid_token"` where a token was sent. */
        "WWW-Authenticate": string;
        /** @description The media types that this operation takes. Absent where it takes no body. */
        Accept: string;
        /** @description The patch media types that this operation takes (RFC 5789). Only on PATCH. */
        "Accept-Patch": string;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listTasks: {
        parameters: {
            query?: {
                /** @description Only the completed (`true`) or only the open (`false`) tasks. */
                completed?: boolean;
                /**
                 * @description The trash instead: the deleted tasks that can still be restored, the newest deletion first. They are in it for as
                 *     long as the operator keeps them, at least 30 days unless configured otherwise.
                 */
                deleted?: boolean;
                /**
                 * @description The order; a leading `-` means descending. Titles are ordered by Unicode code point. Equal keys are ordered by `id`,
                 *     in the same direction. Ignored with `deleted=true`: the trash has one order, the newest deletion first.
                 */
                sort?: "-created_at" | "created_at" | "-updated_at" | "updated_at" | "title" | "-title";
                /**
                 * @description Maximum number of tasks in a page. A page may hold fewer, for it ends early rather than hold more than 1 MiB of text;
                 *     only `next_cursor` says whether it is the last.
                 */
                limit?: number;
                /**
                 * @description The `next_cursor` of an earlier page. It is opaque, and bound to the listing that it came from: it continues that
                 *     order, whatever `sort` says. A cursor of the trash needs `deleted=true`; any other one is 400 with it.
                 */
                cursor?: string;
            };
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of tasks; an empty one when there are none. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    RateLimit: components["headers"]["RateLimit"];
                    /** @description The next page (RFC 8288), `<...>; rel="next"`, relative to this one. Absent on the last page. */
                    Link?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskPage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            421: components["responses"]["Misdirected"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    createTask: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
                /**
                 * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07). The first answer is kept, with the write itself, and is
                 *     the answer to every repetition, with `Idempotent-Replayed: true`; it is kept for 24 hours unless the operator configures
                 *     otherwise. Any text of 1 to 255 printable ASCII characters that the user has not used for another request, in quotes or, where it has no space, without;
                 *     a UUID is a good one. Validation errors (400 and the like), an exceeded quota, an exceeded rate limit and errors of the server
                 *     (5xx) are not kept: the request may be sent again with the same key.
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TaskCreate"];
            };
        };
        responses: {
            /** @description The task as it was stored. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                    ETag: components["headers"]["ETag"];
                    /** @description The path of the new task. */
                    Location: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Task"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["Conflict"];
            413: components["responses"]["ContentTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["Misdirected"];
            422: components["responses"]["KeyReused"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteTasks: {
        parameters: {
            query: {
                /** @description Which tasks to delete, the completed (`true`) or the open (`false`) ones. */
                completed: boolean;
            };
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
                /**
                 * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07). The first answer is kept, with the write itself, and is
                 *     the answer to every repetition, with `Idempotent-Replayed: true`; it is kept for 24 hours unless the operator configures
                 *     otherwise. Any text of 1 to 255 printable ASCII characters that the user has not used for another request, in quotes or, where it has no space, without;
                 *     a UUID is a good one. Validation errors (400 and the like), an exceeded quota, an exceeded rate limit and errors of the server
                 *     (5xx) are not kept: the request may be sent again with the same key.
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tasks are deleted. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deletion"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["KeyInUse"];
            413: components["responses"]["ContentTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["Misdirected"];
            422: components["responses"]["KeyReused"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    batchTasks: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
                /**
                 * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07). The first answer is kept, with the write itself, and is
                 *     the answer to every repetition, with `Idempotent-Replayed: true`; it is kept for 24 hours unless the operator configures
                 *     otherwise. Any text of 1 to 255 printable ASCII characters that the user has not used for another request, in quotes or, where it has no space, without;
                 *     a UUID is a good one. Validation errors (400 and the like), an exceeded quota, an exceeded rate limit and errors of the server
                 *     (5xx) are not kept: the request may be sent again with the same key.
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Batch"];
            };
        };
        responses: {
            /** @description Everything is done. One result for each item, in the same order. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BatchResult"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["TaskNotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["Conflict"];
            /** @description A task is not at the `revision` that an item is meant for. Nothing was changed; `index` says which item it is. */
            412: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["ContentTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["Misdirected"];
            422: components["responses"]["KeyReused"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getTask: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
                /**
                 * @description Only if the task's `ETag` is one of these (RFC 9110, 13.1.1), else 412; `*` is any. Comparison is strong: a weak tag
                 *     (`W/"1"`) never matches. Without the header the last writer wins.
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
                /** @description Only if the task's `ETag` is none of these (RFC 9110, 13.1.2); `*` is any. Else a read is answered 304, and a write 412. */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
                /** @description The task's id, in upper or lower case. */
                id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Task"];
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["TaskNotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            412: components["responses"]["PreconditionFailed"];
            421: components["responses"]["Misdirected"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    replaceTask: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
                /**
                 * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07). The first answer is kept, with the write itself, and is
                 *     the answer to every repetition, with `Idempotent-Replayed: true`; it is kept for 24 hours unless the operator configures
                 *     otherwise. Any text of 1 to 255 printable ASCII characters that the user has not used for another request, in quotes or, where it has no space, without;
                 *     a UUID is a good one. Validation errors (400 and the like), an exceeded quota, an exceeded rate limit and errors of the server
                 *     (5xx) are not kept: the request may be sent again with the same key.
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
                /**
                 * @description Only if the task's `ETag` is one of these (RFC 9110, 13.1.1), else 412; `*` is any. Comparison is strong: a weak tag
                 *     (`W/"1"`) never matches. Without the header the last writer wins.
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
                /** @description Only if the task's `ETag` is none of these (RFC 9110, 13.1.2); `*` is any. Else a read is answered 304, and a write 412. */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
                /** @description The task's id, in upper or lower case. */
                id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TaskReplace"];
            };
        };
        responses: {
            200: components["responses"]["Task"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["TaskNotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["KeyInUse"];
            412: components["responses"]["PreconditionFailed"];
            413: components["responses"]["ContentTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["Misdirected"];
            422: components["responses"]["KeyReused"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteTask: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
                /**
                 * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07). The first answer is kept, with the write itself, and is
                 *     the answer to every repetition, with `Idempotent-Replayed: true`; it is kept for 24 hours unless the operator configures
                 *     otherwise. Any text of 1 to 255 printable ASCII characters that the user has not used for another request, in quotes or, where it has no space, without;
                 *     a UUID is a good one. Validation errors (400 and the like), an exceeded quota, an exceeded rate limit and errors of the server
                 *     (5xx) are not kept: the request may be sent again with the same key.
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
                /**
                 * @description Only if the task's `ETag` is one of these (RFC 9110, 13.1.1), else 412; `*` is any. Comparison is strong: a weak tag
                 *     (`W/"1"`) never matches. Without the header the last writer wins.
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
                /** @description Only if the task's `ETag` is none of these (RFC 9110, 13.1.2); `*` is any. Else a read is answered 304, and a write 412. */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
                /** @description The task's id, in upper or lower case. */
                id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The task is deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Idempotent-Replayed": components["headers"]["Idempotent-Replayed"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["TaskNotFound"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["KeyInUse"];
            412: components["responses"]["PreconditionFailed"];
            413: components["responses"]["ContentTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["Misdirected"];
            422: components["responses"]["KeyReused"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    updateTask: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
                /**
                 * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07). The first answer is kept, with the write itself, and is
                 *     the answer to every repetition, with `Idempotent-Replayed: true`; it is kept for 24 hours unless the operator configures
                 *     otherwise. Any text of 1 to 255 printable ASCII characters that the user has not used for another request, in quotes or, where it has no space, without;
                 *     a UUID is a good one. Validation errors (400 and the like), an exceeded quota, an exceeded rate limit and errors of the server
                 *     (5xx) are not kept: the request may be sent again with the same key.
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
                /**
                 * @description Only if the task's `ETag` is one of these (RFC 9110, 13.1.1), else 412; `*` is any. Comparison is strong: a weak tag
                 *     (`W/"1"`) never matches. Without the header the last writer wins.
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
                /** @description Only if the task's `ETag` is none of these (RFC 9110, 13.1.2); `*` is any. Else a read is answered 304, and a write 412. */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
                /** @description The task's id, in upper or lower case. */
                id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TaskUpdate"];
                "application/merge-patch+json": components["schemas"]["TaskUpdate"];
            };
        };
        responses: {
            200: components["responses"]["Task"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["TaskNotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["KeyInUse"];
            412: components["responses"]["PreconditionFailed"];
            413: components["responses"]["ContentTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["Misdirected"];
            422: components["responses"]["KeyReused"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    completeTask: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
                /**
                 * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07). The first answer is kept, with the write itself, and is
                 *     the answer to every repetition, with `Idempotent-Replayed: true`; it is kept for 24 hours unless the operator configures
                 *     otherwise. Any text of 1 to 255 printable ASCII characters that the user has not used for another request, in quotes or, where it has no space, without;
                 *     a UUID is a good one. Validation errors (400 and the like), an exceeded quota, an exceeded rate limit and errors of the server
                 *     (5xx) are not kept: the request may be sent again with the same key.
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
                /**
                 * @description Only if the task's `ETag` is one of these (RFC 9110, 13.1.1), else 412; `*` is any. Comparison is strong: a weak tag
                 *     (`W/"1"`) never matches. Without the header the last writer wins.
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
                /** @description Only if the task's `ETag` is none of these (RFC 9110, 13.1.2); `*` is any. Else a read is answered 304, and a write 412. */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
                /** @description The task's id, in upper or lower case. */
                id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["TaskCompletion"];
            };
        };
        responses: {
            200: components["responses"]["Task"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["TaskNotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["KeyInUse"];
            412: components["responses"]["PreconditionFailed"];
            413: components["responses"]["ContentTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["Misdirected"];
            422: components["responses"]["KeyReused"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    restoreTask: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
                /**
                 * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07). The first answer is kept, with the write itself, and is
                 *     the answer to every repetition, with `Idempotent-Replayed: true`; it is kept for 24 hours unless the operator configures
                 *     otherwise. Any text of 1 to 255 printable ASCII characters that the user has not used for another request, in quotes or, where it has no space, without;
                 *     a UUID is a good one. Validation errors (400 and the like), an exceeded quota, an exceeded rate limit and errors of the server
                 *     (5xx) are not kept: the request may be sent again with the same key.
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
                /**
                 * @description Only if the task's `ETag` is one of these (RFC 9110, 13.1.1), else 412; `*` is any. Comparison is strong: a weak tag
                 *     (`W/"1"`) never matches. Without the header the last writer wins.
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
                /** @description Only if the task's `ETag` is none of these (RFC 9110, 13.1.2); `*` is any. Else a read is answered 304, and a write 412. */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
                /** @description The task's id, in upper or lower case. */
                id: components["parameters"]["TaskId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Task"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["TaskNotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["KeyInUse"];
            412: components["responses"]["PreconditionFailed"];
            413: components["responses"]["ContentTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["Misdirected"];
            422: components["responses"]["KeyReused"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listChanges: {
        parameters: {
            query?: {
                /** @description The `next` of an earlier answer. It is opaque, and bound to the user. */
                since?: components["schemas"]["SyncToken"];
                /**
                 * @description Maximum number of changes in a response. It may hold fewer, for it ends early rather than hold more than 1 MiB of
                 *     text; only `has_more` says whether there are more.
                 */
                limit?: number;
            };
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Changes; none where all of them are known. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    RateLimit: components["headers"]["RateLimit"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChangePage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            /**
             * @description The token is older than the oldest deletion that is kept, or of data that were erased or restored from a backup. Start
             *     again without `since`.
             */
            410: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    RateLimit: components["headers"]["RateLimit"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            421: components["responses"]["Misdirected"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    eraseUser: {
        parameters: {
            query: {
                /** @description The `user_id` of the path once more, so that nothing is erased by accident. */
                confirm: components["schemas"]["UserId"];
            };
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path: {
                /** @description Whose tasks. */
                user_id: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was deleted. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    RateLimit: components["headers"]["RateLimit"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Erasure"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["ContentTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["Misdirected"];
            429: components["responses"]["TooManyRequests"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The database takes writes. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            400: components["responses"]["BadRequest"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            421: components["responses"]["Misdirected"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getLiveness: {
        parameters: {
            query?: never;
            header?: {
                /** @description An id of the caller's for this request, for the logs. It comes back in the response; without it the server makes one. */
                "X-Request-Id"?: components["parameters"]["RequestId"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process is alive. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            400: components["responses"]["BadRequest"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            421: components["responses"]["Misdirected"];
            431: components["responses"]["HeadersTooLarge"];
            500: components["responses"]["InternalError"];
        };
    };
}
/** Which query parameters and body fields of an operation have a default. */
export interface defaults {
    listTasks: { query: "deleted" | "sort" | "limit"; body: never };
    createTask: { query: never; body: "completed" };
    deleteTasks: { query: never; body: never };
    batchTasks: { query: never; body: never };
    getTask: { query: never; body: never };
    replaceTask: { query: never; body: never };
    updateTask: { query: never; body: never };
    deleteTask: { query: never; body: never };
    completeTask: { query: never; body: never };
    restoreTask: { query: never; body: never };
    listChanges: { query: "limit"; body: never };
    eraseUser: { query: never; body: never };
    getHealth: { query: never; body: never };
    getLiveness: { query: never; body: never };
}
