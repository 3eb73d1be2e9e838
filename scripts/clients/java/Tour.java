/** A tour of the service with the client that openapi-generator generates for java.net.http. */
import com.fasterxml.jackson.core.JsonProcessingException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.ChangesApi;
import org.openapitools.client.api.TasksApi;
import org.openapitools.client.model.Change;
import org.openapitools.client.model.ChangePage;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.Task;
import org.openapitools.client.model.TaskBatch;
import org.openapitools.client.model.TaskBatchComplete;
import org.openapitools.client.model.TaskBatchCreate;
import org.openapitools.client.model.TaskBatchItem;
import org.openapitools.client.model.TaskCreate;
import org.openapitools.client.model.TaskDate;
import org.openapitools.client.model.TaskDateInput;
import org.openapitools.client.model.TaskDatePatch;
import org.openapitools.client.model.TaskPage;
import org.openapitools.client.model.TaskPriority;
import org.openapitools.client.model.TaskUpdate;

class Tour {
  static final String USER = System.getenv("TASKS_USER");
  static final UUID MISSING = UUID.fromString("01a19b7c-a680-7bde-9be2-8c463465bc89");

  static ApiClient clientOf(String url) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(url);
    client.setRequestInterceptor(
        request -> request.header("Authorization", "Bearer " + System.getenv("TASKS_TOKEN")));
    return client;
  }

  /** All tasks, two per page. */
  static List<Task> allTasks(TasksApi api) throws ApiException {
    List<Task> tasks = new ArrayList<>();
    String cursor = null;
    do {
      TaskPage page =
          api.listTasks(
              USER, null, null, null, null, null, null, null, null, null, null, null, 2, cursor);
      tasks.addAll(page.getData());
      cursor = page.getNextCursor();
    } while (cursor != null);
    return tasks;
  }

  record Changes(List<Change> changes, String token) {}

  /** The changes since a sync token, two per page, and the next token. */
  static Changes changesSince(ChangesApi api, String token) throws ApiException {
    List<Change> changes = new ArrayList<>();
    for (;;) {
      ChangePage page = api.listChanges(USER, token, 2);
      changes.addAll(page.getData());
      token = page.getNextSyncToken();
      if (!page.getHasMore()) return new Changes(changes, token);
    }
  }

  interface Call {
    void run() throws ApiException;
  }

  /** The problem with which a request fails, and its HTTP status. */
  static Problem problemOf(int status, Call call) throws JsonProcessingException {
    try {
      call.run();
    } catch (ApiException error) {
      equal(error.getCode(), status);
      return ApiClient.createDefaultObjectMapper().readValue(error.getResponseBody(), Problem.class);
    }
    throw new AssertionError("The request succeeded instead of failing with " + status);
  }

  /** What a date says, as text; at the end the instant. */
  static String textOf(TaskDate date) {
    return date.getDate() + " " + date.getTime() + " " + date.getTimeZone() + " " + date.getAt();
  }

  static void equal(Object actual, Object expected) {
    if (!Objects.equals(actual, expected)) throw new AssertionError(actual + " instead of " + expected);
  }

  public static void main(String[] arguments) throws Exception {
    ApiClient client = clientOf(System.getenv("TASKS_URL"));
    TasksApi tasks = new TasksApi(client);
    ChangesApi changes = new ChangesApi(client);

    List<String> titles = List.of("one", "two", "three", "four", "five");
    List<Task> created = new ArrayList<>();
    for (String title : titles) created.add(tasks.createTask(USER, new TaskCreate().title(title), null));
    Task first = created.get(0);
    equal(first.getUserId(), USER);
    equal(first.getDescription(), null);
    equal(
        allTasks(tasks).stream().map(Task::getTitle).sorted().toList(), titles.stream().sorted().toList());
    Changes snapshot = changesSince(changes, null);
    equal(snapshot.changes().size(), titles.size());

    // Only one of two writes with the same revision succeeds.
    String tag = "\"" + first.getRevision() + "\"";
    TaskUpdate change = new TaskUpdate().description("Changed");
    Task updated = tasks.updateTask(USER, first.getId(), change, null, tag, null);
    equal(updated.getDescription(), "Changed");
    Problem outdated = problemOf(412, () -> tasks.updateTask(USER, first.getId(), change, null, tag, null));
    equal(outdated.getCode(), "precondition_failed");
    Task cleared =
        tasks.updateTask(USER, first.getId(), new TaskUpdate().description(null), null, null, null);
    equal(cleared.getDescription(), null);

    // The retry gets the response of the first request.
    String key = UUID.randomUUID().toString();
    var sent = tasks.createTaskWithHttpInfo(USER, new TaskCreate().title("Once"), key);
    var retried = tasks.createTaskWithHttpInfo(USER, new TaskCreate().title("Once"), key);
    equal(retried.getData().getId(), sent.getData().getId());
    equal(sent.getHeaders().get("idempotent-replayed"), null);
    equal(retried.getHeaders().get("idempotent-replayed"), List.of("true"));

    TaskBatchCreate create =
        new TaskBatchCreate()
            .action(TaskBatchCreate.ActionEnum.CREATE)
            .task(new TaskCreate().title("From a batch"));
    TaskBatchComplete complete =
        new TaskBatchComplete()
            .action(TaskBatchComplete.ActionEnum.COMPLETE)
            .id(created.get(1).getId())
            .completed(true);
    TaskBatch batch =
        new TaskBatch().addItemsItem(new TaskBatchItem(create)).addItemsItem(new TaskBatchItem(complete));
    var results = tasks.batchTasks(USER, batch, null).getItems();
    equal(results.get(0).getTask().getTitle(), "From a batch");
    equal(results.get(1).getTask().getCompleted(), true);

    equal(
        changesSince(changes, snapshot.token()).changes().stream()
            .map(entry -> entry.getKind() + " " + entry.getTask().getTitle())
            .toList(),
        List.of("task one", "task Once", "task From a batch", "task two"));

    // A date comes back as it was sent, and a patch of one part keeps the others.
    TaskDateInput due =
        new TaskDateInput()
            .date(LocalDate.parse("2027-03-28"))
            .time("02:30")
            .timeZone("Europe/Berlin");
    TaskCreate dated =
        new TaskCreate()
            .title("Dated")
            .due(due)
            .start(new TaskDateInput().date(LocalDate.parse("2027-03-01")))
            .priority(TaskPriority.HIGH)
            .tags(Set.of("errands", "home"));
    UUID id = tasks.createTask(USER, dated, null).getId();
    Task read = tasks.getTask(USER, id, null, null);
    equal(textOf(read.getDue()), "2027-03-28 02:30 Europe/Berlin 2027-03-28T01:30Z");
    equal(textOf(read.getStart()), "2027-03-01 null null null");
    TaskDatePatch nextDay = new TaskDatePatch().date(LocalDate.parse("2027-03-29"));
    Task moved = tasks.updateTask(USER, id, new TaskUpdate().due(nextDay), null, null, null);
    equal(textOf(moved.getDue()), "2027-03-29 02:30 Europe/Berlin 2027-03-29T00:30Z");
    Task undated = tasks.updateTask(USER, id, new TaskUpdate().due(null), null, null, null);
    equal(undated.getDue(), null);
    equal(textOf(undated.getStart()), "2027-03-01 null null null");
    Set<TaskPriority> important = Set.of(TaskPriority.HIGH, TaskPriority.URGENT);
    Set<String> tags = Set.of("errands", "home");
    TaskPage found =
        tasks.listTasks(
            USER, null, null, null, null, null, null, null, important, tags, null, null, 2, null);
    equal(found.getData().stream().map(Task::getTitle).toList(), List.of("Dated"));

    Problem unknown = problemOf(404, () -> tasks.getTask(USER, MISSING, null, null));
    equal(unknown.getCode(), "task_not_found");
    Problem invalid = problemOf(400, () -> tasks.createTask(USER, new TaskCreate().title(""), null));
    equal(
        invalid.getErrors().stream()
            .map(error -> error.getIn() + " " + error.getPointer() + " " + error.getCode())
            .toList(),
        List.of("body /title too_short"));

    // A later version of the service.
    ApiClient future = clientOf(System.getenv("FUTURE_URL"));
    equal(allTasks(new TasksApi(future)).size(), titles.size() + 3);
    Problem later = problemOf(404, () -> new TasksApi(future).getTask(USER, MISSING, null, null));
    equal(later.getCode(), "added_later");
    Problem rejected =
        problemOf(400, () -> new TasksApi(future).createTask(USER, new TaskCreate().title(""), null));
    equal(
        rejected.getErrors().stream().map(error -> error.getIn() + " " + error.getCode()).toList(),
        List.of("added_later added_later", "body too_short"));
    List<String> kinds =
        changesSince(new ChangesApi(future), null).changes().stream().map(Change::getKind).toList();
    equal(kinds.stream().filter("task"::equals).count(), titles.size() + 3L);
    equal(kinds.contains("added_later"), true);
  }
}
