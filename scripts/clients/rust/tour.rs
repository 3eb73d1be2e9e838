//! A tour of the service with the client that openapi-generator generates.
use std::env;
use std::error::Error;
use tasks::apis::Error as ApiError;
use tasks::apis::changes_api::list_changes;
use tasks::apis::configuration::Configuration;
use tasks::apis::tasks_api::{batch_tasks, create_task, get_task, list_tasks, update_task};
use tasks::models::{
    Change, Problem, Task, TaskBatch, TaskBatchComplete, TaskBatchCreate, TaskBatchItem, TaskCreate, TaskDate,
    TaskDateInput, TaskDatePatch, TaskPriority, TaskUpdate,
};
use uuid::Uuid;

const MISSING: &str = "01a19b7c-a680-7bde-9be2-8c463465bc89";

fn client_of(url: &str) -> Result<Configuration, env::VarError> {
    Ok(Configuration {
        base_path: env::var(url)?,
        bearer_access_token: Some(env::var("TASKS_TOKEN")?),
        ..Configuration::default()
    })
}

/// All tasks, two per page.
async fn all_tasks(client: &Configuration, user: &str) -> Result<Vec<Task>, Box<dyn Error>> {
    let mut tasks = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = list_tasks(
            client, user, None, None, None, None, None, None, None, None, None, None, None, Some(2), cursor.as_deref(),
        )
        .await?;
        tasks.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(tasks);
        }
    }
}

/// The changes since a sync token, two per page, and the next token.
async fn changes_since(
    client: &Configuration,
    user: &str,
    mut token: Option<String>,
) -> Result<(Vec<Change>, Option<String>), Box<dyn Error>> {
    let mut changes = Vec::new();
    loop {
        let page = list_changes(client, user, token.as_deref(), Some(2)).await?;
        changes.extend(page.data);
        token = Some(page.next_sync_token);
        if !page.has_more {
            return Ok((changes, token));
        }
    }
}

/// The problem with which a request fails.
fn problem_of<T, E>(status: u16, result: Result<T, ApiError<E>>) -> Result<Problem, Box<dyn Error>> {
    match result {
        Err(ApiError::ResponseError(response)) if response.status.as_u16() == status => {
            Ok(serde_json::from_str(&response.content)?)
        }
        Err(_) => Err(format!("The request failed, but not with {status}").into()),
        Ok(_) => Err(format!("The request succeeded instead of failing with {status}").into()),
    }
}

fn create(title: &str) -> TaskCreate {
    TaskCreate::new(title.to_string())
}

/// The JSON of a date.
fn json_of(date: &Option<Box<TaskDate>>) -> Result<String, serde_json::Error> {
    serde_json::to_string(date)
}

/// A date comes back as it was sent, and a patch of one part keeps the others.
async fn dates(client: &Configuration, user: &str) -> Result<(), Box<dyn Error>> {
    let due = TaskDateInput {
        date: "2027-03-28".parse()?,
        time: Some(Some("02:30".to_string())),
        time_zone: Some(Some("Europe/Berlin".to_string())),
    };
    let tags = vec!["errands".to_string(), "home".to_string()];
    let dated = TaskCreate {
        due: Some(Some(Box::new(due))),
        start: Some(Some(Box::new(TaskDateInput::new("2027-03-01".parse()?)))),
        priority: Some(TaskPriority::High),
        tags: Some(tags.clone()),
        ..create("Dated")
    };
    let id = &create_task(client, user, dated, None).await?.id.to_string();
    let read = get_task(client, user, id, None, None).await?;
    let sent = r#"{"date":"2027-03-28","time":"02:30","time_zone":"Europe/Berlin","at":"2027-03-28T01:30:00Z"}"#;
    assert_eq!(json_of(&read.due)?, sent);
    let day = r#"{"date":"2027-03-01","time":null,"time_zone":null,"at":null}"#;
    assert_eq!(json_of(&read.start)?, day);
    let next_day = TaskDatePatch { date: Some("2027-03-29".parse()?), ..TaskDatePatch::new() };
    let change = TaskUpdate { due: Some(Some(Box::new(next_day))), ..TaskUpdate::new() };
    let moved = update_task(client, user, id, change, None, None, None).await?;
    let next = r#"{"date":"2027-03-29","time":"02:30","time_zone":"Europe/Berlin","at":"2027-03-29T00:30:00Z"}"#;
    assert_eq!(json_of(&moved.due)?, next);
    let clear = TaskUpdate { due: Some(None), ..TaskUpdate::new() };
    let undated = update_task(client, user, id, clear, None, None, None).await?;
    assert_eq!(undated.due, None);
    assert_eq!(json_of(&undated.start)?, day);
    let important = vec![TaskPriority::High, TaskPriority::Urgent];
    let found = list_tasks(
        client, user, None, None, None, None, None, None, None, Some(important), Some(tags), None, None, None, None,
    )
    .await?;
    assert_eq!(found.data.iter().map(|task| task.title.as_str()).collect::<Vec<_>>(), ["Dated"]);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let user = &env::var("TASKS_USER")?;
    let client = &client_of("TASKS_URL")?;

    let titles = ["one", "two", "three", "four", "five"];
    let mut created = Vec::new();
    for title in titles {
        created.push(create_task(client, user, create(title), None).await?);
    }
    let first = &created[0];
    let id = &first.id.to_string();
    assert_eq!(&first.user_id, user);
    assert_eq!(first.description, None);
    let mut listed: Vec<String> = all_tasks(client, user).await?.into_iter().map(|task| task.title).collect();
    listed.sort();
    assert_eq!(listed, ["five", "four", "one", "three", "two"]);
    let (snapshot, token) = changes_since(client, user, None).await?;
    assert_eq!(snapshot.len(), titles.len());

    // Only one of two writes with the same revision succeeds.
    let tag = format!("\"{}\"", first.revision);
    let change = TaskUpdate { description: Some(Some("Changed".to_string())), ..TaskUpdate::new() };
    let updated = update_task(client, user, id, change.clone(), None, Some(&tag), None).await?;
    assert_eq!(updated.description.as_deref(), Some("Changed"));
    let outdated = problem_of(412, update_task(client, user, id, change, None, Some(&tag), None).await)?;
    assert_eq!(outdated.code, "precondition_failed");
    let clear = TaskUpdate { description: Some(None), ..TaskUpdate::new() };
    let cleared = update_task(client, user, id, clear, None, None, None).await?;
    assert_eq!(cleared.description, None);

    // The retry gets the response of the first request.
    let key = Uuid::new_v4().to_string();
    let sent = create_task(client, user, create("Once"), Some(&key)).await?;
    let retried = create_task(client, user, create("Once"), Some(&key)).await?;
    assert_eq!(retried.id, sent.id);

    let batch = TaskBatch::new(vec![
        TaskBatchItem::Create(Box::new(TaskBatchCreate::new(Default::default(), create("From a batch")))),
        TaskBatchItem::Complete(Box::new(TaskBatchComplete::new(Default::default(), created[1].id, true))),
    ]);
    let results = batch_tasks(client, user, batch, None).await?.items;
    assert_eq!(results[0].task.as_ref().map(|task| task.title.as_str()), Some("From a batch"));
    assert_eq!(results[1].task.as_ref().map(|task| task.completed), Some(true));

    let (changes, _) = changes_since(client, user, token).await?;
    let changed: Vec<String> = changes
        .into_iter()
        .map(|Change { kind, task, .. }| format!("{kind} {}", task.unwrap_or_default().title))
        .collect();
    assert_eq!(changed, ["task one", "task Once", "task From a batch", "task two"]);

    dates(client, user).await?;

    let unknown = problem_of(404, get_task(client, user, MISSING, None, None).await)?;
    assert_eq!(unknown.code, "task_not_found");
    let invalid = problem_of(400, create_task(client, user, create(""), None).await)?;
    let errors = invalid.errors.unwrap_or_default();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].r#in.as_str(), errors[0].code.as_str()), ("body", "too_short"));
    assert_eq!(errors[0].pointer.as_deref(), Some("/title"));

    // A later version of the service.
    let future = &client_of("FUTURE_URL")?;
    assert_eq!(all_tasks(future, user).await?.len(), titles.len() + 3);
    let later = problem_of(404, get_task(future, user, MISSING, None, None).await)?;
    assert_eq!(later.code, "added_later");
    let rejected = problem_of(400, create_task(future, user, create(""), None).await)?.errors.unwrap_or_default();
    let rules: Vec<_> = rejected.iter().map(|error| (error.r#in.as_str(), error.code.as_str())).collect();
    assert_eq!(rules, [("added_later", "added_later"), ("body", "too_short")]);
    let (ahead, _) = changes_since(future, user, None).await?;
    assert_eq!(ahead.iter().filter(|change| change.kind == "task").count(), titles.len() + 3);
    assert!(ahead.iter().any(|change| change.kind == "added_later"));
    Ok(())
}
