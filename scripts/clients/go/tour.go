// A tour of the service with the client that oapi-codegen generates.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"example.com/tour/tasks"
	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"
	openapi_types "github.com/oapi-codegen/runtime/types"
)

var (
	ctx    = context.Background()
	user   = os.Getenv("TASKS_USER")
	absent = uuid.MustParse("01a19b7c-a680-7bde-9be2-8c463465bc89")
	two    = int32(2)
)

func main() {
	client := connect(os.Getenv("TASKS_URL"))
	titles := []string{"one", "two", "three", "four", "five"}
	var created []tasks.Task
	for _, title := range titles {
		response := must(client.CreateTaskWithResponse(ctx, user, nil, tasks.TaskCreate{Title: title}))
		equal(http.StatusCreated, response.StatusCode())
		created = append(created, *response.JSON201)
	}
	equal(user, created[0].UserId)
	equal(true, created[0].Description.IsNull())
	equal(len(titles), len(allTasks(client)))
	snapshot, token := changesSince(client, nil)
	equal(len(titles), len(snapshot))

	conditionalUpdate(client, created[0])
	keyedRetry(client)
	batch(client, created[1])
	changes, _ := changesSince(client, &token)
	equal("one, Once, From a batch, two", strings.Join(titlesOf(changes), ", "))
	dates(client)
	problems(client)

	// A later version of the service.
	future := connect(os.Getenv("FUTURE_URL"))
	equal(len(titles)+3, len(allTasks(future)))
	later := must(future.GetTaskWithResponse(ctx, user, absent, nil))
	equal("added_later", later.ApplicationproblemJSON404.Code)
	rejected := must(future.CreateTaskWithResponse(ctx, user, nil, tasks.TaskCreate{Title: ""}))
	equal(http.StatusBadRequest, rejected.StatusCode())
	var rules []string
	for _, invalid := range *rejected.ApplicationproblemJSON400.Errors {
		rules = append(rules, invalid.In+" "+invalid.Code)
	}
	equal("added_later added_later, body too_short", strings.Join(rules, ", "))
	ahead, _ := changesSince(future, nil)
	equal(len(titles)+3, len(titlesOf(ahead)))
	equal(true, slices.ContainsFunc(ahead, func(change tasks.Change) bool {
		return change.Kind == "added_later"
	}))
}

// Only one of two writes with the same revision succeeds.
func conditionalUpdate(client *tasks.ClientWithResponses, task tasks.Task) {
	revision := fmt.Sprintf(`"%d"`, task.Revision)
	params := &tasks.UpdateTaskParams{IfMatch: &revision}
	changed := tasks.TaskUpdate{Description: nullable.NewNullableWithValue("Changed")}
	updated := must(client.UpdateTaskWithResponse(ctx, user, task.Id, params, changed))
	equal("Changed", updated.JSON200.Description.MustGet())
	equal(fmt.Sprintf(`"%d"`, updated.JSON200.Revision), updated.Headers200.ETag)
	cleared := tasks.TaskUpdate{Description: nullable.NewNullNullable[string]()}
	outdated := must(client.UpdateTaskWithResponse(ctx, user, task.Id, params, cleared))
	equal(http.StatusPreconditionFailed, outdated.StatusCode())
	code := outdated.ApplicationproblemJSON412.Code
	equal("precondition_failed", code)
	again := must(client.UpdateTaskWithResponse(ctx, user, task.Id, nil, cleared))
	equal(true, again.JSON200.Description.IsNull())
}

// The retry gets the response of the first request.
func keyedRetry(client *tasks.ClientWithResponses) {
	key := uuid.NewString()
	params := &tasks.CreateTaskParams{IdempotencyKey: &key}
	sent := must(client.CreateTaskWithResponse(ctx, user, params, tasks.TaskCreate{Title: "Once"}))
	retried := must(client.CreateTaskWithResponse(ctx, user, params, tasks.TaskCreate{Title: "Once"}))
	equal(sent.JSON201.Id, retried.JSON201.Id)
	equal(true, sent.Headers201.IdempotentReplayed == nil)
	equal("true", *retried.Headers201.IdempotentReplayed)
}

func batch(client *tasks.ClientWithResponses, task tasks.Task) {
	var create, complete tasks.TaskBatchItem
	check(create.FromTaskBatchCreate(tasks.TaskBatchCreate{Task: tasks.TaskCreate{Title: "From a batch"}}))
	check(complete.FromTaskBatchComplete(tasks.TaskBatchComplete{Id: task.Id, Completed: true}))
	body := tasks.TaskBatch{Items: []tasks.TaskBatchItem{create, complete}}
	results := must(client.BatchTasksWithResponse(ctx, user, nil, body)).JSON200.Items
	equal("From a batch", results[0].Task.MustGet().Title)
	equal(true, results[1].Task.MustGet().Completed)
}

// A date comes back as it was sent, and a patch of one part keeps the others.
func dates(client *tasks.ClientWithResponses) {
	due := tasks.TaskDateInput{
		Date:     dayOf("2027-03-28"),
		Time:     nullable.NewNullableWithValue("02:30"),
		TimeZone: nullable.NewNullableWithValue("Europe/Berlin"),
	}
	high := tasks.TaskPriorityHigh
	tags := []string{"errands", "home"}
	id := must(client.CreateTaskWithResponse(ctx, user, nil, tasks.TaskCreate{
		Title:    "Dated",
		Due:      nullable.NewNullableWithValue(due),
		Start:    nullable.NewNullableWithValue(tasks.TaskDateInput{Date: dayOf("2027-03-01")}),
		Priority: &high,
		Tags:     &tags,
	})).JSON201.Id
	read := must(client.GetTaskWithResponse(ctx, user, id, nil)).JSON200
	equal(`{"at":"2027-03-28T01:30:00Z","date":"2027-03-28","time":"02:30","time_zone":"Europe/Berlin"}`, jsonOf(read.Due))
	equal(`{"at":null,"date":"2027-03-01","time":null,"time_zone":null}`, jsonOf(read.Start))
	next := dayOf("2027-03-29")
	change := tasks.TaskUpdate{Due: nullable.NewNullableWithValue(tasks.TaskDatePatch{Date: &next})}
	moved := must(client.UpdateTaskWithResponse(ctx, user, id, nil, change)).JSON200
	equal(`{"at":"2027-03-29T00:30:00Z","date":"2027-03-29","time":"02:30","time_zone":"Europe/Berlin"}`, jsonOf(moved.Due))
	clear := tasks.TaskUpdate{Due: nullable.NewNullNullable[tasks.TaskDatePatch]()}
	undated := must(client.UpdateTaskWithResponse(ctx, user, id, nil, clear)).JSON200
	equal(true, undated.Due.IsNull())
	equal(jsonOf(read.Start), jsonOf(undated.Start))
	important := []tasks.TaskPriority{tasks.TaskPriorityHigh, tasks.TaskPriorityUrgent}
	params := &tasks.ListTasksParams{Tag: &tags, Priority: &important}
	found := must(client.ListTasksWithResponse(ctx, user, params)).JSON200.Data
	equal(1, len(found))
	equal(id, found[0].Id)
}

func dayOf(text string) openapi_types.Date {
	return openapi_types.Date{Time: must(time.Parse(time.DateOnly, text))}
}

func jsonOf(date nullable.Nullable[tasks.TaskDate]) string {
	return string(must(json.Marshal(date)))
}

func problems(client *tasks.ClientWithResponses) {
	unknown := must(client.GetTaskWithResponse(ctx, user, absent, nil))
	equal(http.StatusNotFound, unknown.StatusCode())
	equal("task_not_found", unknown.ApplicationproblemJSON404.Code)
	invalid := must(client.CreateTaskWithResponse(ctx, user, nil, tasks.TaskCreate{Title: ""}))
	equal(http.StatusBadRequest, invalid.StatusCode())
	errors := *invalid.ApplicationproblemJSON400.Errors
	equal(1, len(errors))
	equal("body", errors[0].In)
	equal("/title", *errors[0].Pointer)
	equal("too_short", errors[0].Code)
}

// All tasks, two per page.
func allTasks(client *tasks.ClientWithResponses) []tasks.Task {
	var all []tasks.Task
	params := &tasks.ListTasksParams{Limit: &two}
	for {
		page := must(client.ListTasksWithResponse(ctx, user, params)).JSON200
		all = append(all, page.Data...)
		cursor, err := page.NextCursor.Get()
		if err != nil {
			return all
		}
		params.Cursor = &cursor
	}
}

// The changes since a sync token, two per page, and the next token.
func changesSince(client *tasks.ClientWithResponses, token *string) ([]tasks.Change, string) {
	var all []tasks.Change
	for {
		params := &tasks.ListChangesParams{Limit: &two, SyncToken: token}
		page := must(client.ListChangesWithResponse(ctx, user, params)).JSON200
		all = append(all, page.Data...)
		token = &page.NextSyncToken
		if !page.HasMore {
			return all, *token
		}
	}
}

// Of changes of a known kind.
func titlesOf(changes []tasks.Change) []string {
	var titles []string
	for _, change := range changes {
		if change.Kind == "task" {
			titles = append(titles, change.Task.MustGet().Title)
		}
	}
	return titles
}

func connect(server string) *tasks.ClientWithResponses {
	authorize := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+os.Getenv("TASKS_TOKEN"))
		return nil
	}
	return must(tasks.NewClientWithResponses(server, tasks.WithRequestEditorFn(authorize)))
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func equal[T comparable](expected, actual T) {
	if expected != actual {
		check(fmt.Errorf("expected %v, got %v", expected, actual))
	}
}
